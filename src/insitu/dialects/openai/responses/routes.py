"""Responses: made, streamed, followed again, fetched, cancelled and deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from ....errors import NotFound
from ....store import Item, ResponseRecord
from ....web import making
from ....web.bodies import Body
from ....web.encoding import dumps
from ....web.errors import described
from ....web.openapi import takes
from ....web.parameters import BadParameter, RouteUnsupported
from ....web.recording import check_recorded, lost, replay
from ....web.service import Service, key_of, owner_of
from ....web.shapes import Json
from ....web.sse import encode
from ....web.wire import INLINE_BYTES, body_of, json_answer, read_json
from ..description import OF_TURNS, answers, answers_or_streams
from ..errors import error_of, openai_error_body
from ..items import shown
from ..paging import Include, listed
from .asked import CreateResponse
from .making import MakingResponse
from .preparing import prepare


def routes(service: Service) -> APIRouter:
    """The routes of responses."""
    router = APIRouter(prefix="/v1/responses", tags=["openai"])

    @router.post("", openapi_extra=takes(CreateResponse), **answers_or_streams(OF_TURNS))
    async def create_response(request: Request) -> Response:
        """Answer an input, running the code that the model writes on the way."""
        return await _create(service, request)

    @router.post("/input_tokens", include_in_schema=False)
    @router.post("/compact", include_in_schema=False)
    async def unsupported(request: Request) -> Response:
        """Refuse what is done by OpenAI's own servers, and would be taken for a response's id."""
        raise RouteUnsupported(f"POST {request.url.path} is not supported: only OpenAI's own servers do it")

    @router.get("/{response_id}", **answers_or_streams())
    async def retrieve_response(
        request: Request,
        response_id: str,
        include: Include = None,
        stream: bool = False,
        starting_after: Annotated[int, Query(ge=-1)] = -1,
    ) -> Response:
        """A response as it is now; or its stream, from after an event on."""
        owner = owner_of(request)
        if stream:
            return await _follow_again(service, owner, response_id, starting_after + 1, body_of(request))
        return await _retrieve(service, owner, response_id, include)

    @router.delete("/{response_id}", **answers(None))
    async def delete_response(request: Request, response_id: str) -> Response:
        """Delete a response; one that is still being made is cancelled first."""
        owner = owner_of(request)
        if job := service.turns.jobs.get(response_id, owner):
            await job.stop()
        await service.store.responses.delete(response_id, owner)
        return json_answer({"id": response_id, "object": "response", "deleted": True})

    @router.post("/{response_id}/cancel", **answers(None))
    async def cancel_response(request: Request, response_id: str) -> Response:
        """Cancel a response that is made in the background."""
        return json_answer(await _cancel(service, response_id, owner_of(request)))

    @router.get("/{response_id}/input_items", **answers(None))
    async def list_input_items(
        request: Request,
        response_id: str,
        include: Include = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        order: Literal["asc", "desc"] = "desc",
    ) -> Response:
        """What a response was asked with."""
        items = await service.store.responses.inputs(response_id, owner_of(request))
        if order == "desc":
            items.reverse()
        begin = _after(items, after)
        page = [shown(item, include or ()) for item in items[begin : begin + limit]]
        return json_answer(listed(page, has_more=begin + limit < len(items)))

    return router


async def _create(service: Service, request: Request) -> Response:
    asked = await read_json(request, CreateResponse, min(service.settings.upload_bytes, INLINE_BYTES))
    owner = owner_of(request)

    async def prepared() -> MakingResponse:
        found = await prepare(service, owner, key_of(request), asked, body_of(request))
        return MakingResponse(service, asked, found)

    return await making.create(service, request, prepared, _error_event)


async def _retrieve(service: Service, owner: str, response_id: str, include: Sequence[str] | None) -> Response:
    if job := service.turns.jobs.get(response_id, owner):
        return json_answer(MakingResponse.of(job).snapshot(include))
    record = await service.store.responses.get(response_id, owner)
    return json_answer(await _stored(service, record, owner, include))


async def _follow_again(service: Service, owner: str, response_id: str, after: int, body: Body) -> Response:
    if job := service.turns.jobs.get(response_id, owner):
        return making.stream(service, job.read(after), _error_event, job)
    store = service.store
    record = await store.responses.get(response_id, owner)
    check_recorded(record, "response")
    return making.stream(service, replay(store.responses, response_id, owner, after, body), _error_event)


async def _cancel(service: Service, response_id: str, owner: str) -> Json:
    if job := service.turns.jobs.get(response_id, owner):
        made = MakingResponse.of(job)
        if made.background:
            await job.stop()
        response = made.snapshot()
    else:
        response = await _stored(service, await service.store.responses.get(response_id, owner), owner)
    if not response["background"]:
        raise BadParameter("response_id", "Cannot cancel a synchronous response.")
    if response["status"] != "cancelled":
        raise BadParameter("response_id", f"Cannot cancel a {response['status']} response.")
    return response


def _after(items: Sequence[Item], after: str | None) -> int:
    """The place behind the item ``after``."""
    ids = [item.id for item in items]
    if after is None:
        return 0
    if after not in ids:
        raise NotFound(f"there is no input item {after!r}")
    return ids.index(after) + 1


def _error_event(exc: Exception, request_id: str, number: int) -> bytes:
    body = openai_error_body(exc, request_id)
    said = {name: body.get(name) for name in ("code", "message", "param")}
    return encode("error", dumps({"type": "error", "sequence_number": number, **said}))


async def _stored(service: Service, record: ResponseRecord, owner: str, include: Sequence[str] | None = None) -> Json:
    outputs = await service.store.responses.outputs(record.id, owner)
    wanted = record.body.get("include") if include is None else include
    body = {name: value for name, value in record.body.items() if name not in ("include", "server")}
    if failure := lost(service.store, record):
        body |= {"status": "failed", "error": error_of(described(failure, record.id))}
    return {**body, "output": [shown(item, wanted or ()) for item in outputs]}
