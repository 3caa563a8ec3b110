"""Interactions: made, streamed, followed again, fetched, cancelled and deleted."""

from __future__ import annotations

import re

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from ....store import ResponseRecord
from ....web import making
from ....web.encoding import dumps
from ....web.errors import described, invalid_request
from ....web.openapi import answers_elsewhere, takes
from ....web.parameters import BadParameter
from ....web.recording import check_recorded, lost
from ....web.service import Service, key_of, owner_of
from ....web.shapes import Json
from ....web.sse import encode
from ....web.wire import body_of, json_answer
from ..bodies import read_object
from .asked import CreateInteraction
from .emitter import now
from .errors import error_of, interaction_error_body
from .making import MakingInteraction
from .preparing import prepare
from .records import Interactions, stored_id

_EVENT_ID = re.compile(r"[0-9]{1,9}")


def routes(service: Service) -> APIRouter:
    """The routes of interactions."""
    router = APIRouter(prefix="/v1beta/interactions", tags=["gemini"])

    @router.post("", openapi_extra=takes(CreateInteraction), **answers_elsewhere())
    async def create_interaction(request: Request) -> Response:
        """Answer an input in steps, running the code that the model writes on the way."""
        return await _create(service, request)

    @router.get("/{interaction_id}", **answers_elsewhere())
    async def get_interaction(
        request: Request,
        interaction_id: str,
        stream: bool = False,
        include_input: bool = False,
        last_event_id: str | None = None,
    ) -> Response:
        """An interaction as it is now; or its stream, from after an event on."""
        if stream:
            return await _follow_again(service, request, interaction_id, last_event_id)
        return json_answer(await _found(service, owner_of(request), interaction_id, include_input=include_input))

    @router.delete("/{interaction_id}", **answers_elsewhere())
    async def delete_interaction(request: Request, interaction_id: str) -> Response:
        """Delete an interaction; one that is still being made is cancelled first."""
        owner = owner_of(request)
        if job := service.turns.jobs.get(stored_id(interaction_id), owner):
            await job.stop()
        await Interactions(service.store, owner).delete(interaction_id)
        return json_answer({})

    @router.post("/{interaction_id}/cancel", **answers_elsewhere())
    async def cancel_interaction(request: Request, interaction_id: str) -> Response:
        """Cancel an interaction that is made in the background."""
        return json_answer(await _cancel(service, owner_of(request), interaction_id))

    return router


async def _create(service: Service, request: Request) -> Response:
    asked = _read(await read_object(service, request))
    owner = owner_of(request)

    async def prepared() -> MakingInteraction:
        found = await prepare(service, owner, key_of(request), asked, body_of(request))
        return MakingInteraction(service, asked, found)

    return await making.create(service, request, prepared, _error_event)


def _read(body: Json) -> CreateInteraction:
    try:
        return CreateInteraction.model_validate(body)
    except ValidationError as exc:
        raise invalid_request(exc) from None


async def _found(service: Service, owner: str, interaction_id: str, *, include_input: bool = False) -> Json:
    if job := service.turns.jobs.get(stored_id(interaction_id), owner):
        made = MakingInteraction.of(job)
        found, inputs = made.snapshot(), made.inputs
    else:
        interactions = Interactions(service.store, owner)
        record = await interactions.get(interaction_id)
        outputs = await interactions.outputs(interaction_id)
        found = {**_stored(service, record), "steps": [step.body for step in outputs]}
        inputs = await interactions.inputs(interaction_id) if include_input else []
    return {**found, "input": [step.body for step in inputs]} if include_input else found


def _stored(service: Service, record: ResponseRecord) -> Json:
    interaction: Json = record.body["interaction"]
    if failure := lost(service.store, record):
        told = error_of(described(failure, record.id))
        return {**interaction, "status": "failed", "updated": now(), "errors": [told]}
    return interaction


async def _follow_again(service: Service, request: Request, interaction_id: str, last: str | None) -> Response:
    if last is not None and not _EVENT_ID.fullmatch(last):
        raise BadParameter("last_event_id", "last_event_id must be the event_id of an event of this stream")
    owner, after = owner_of(request), int(last or 0)
    if job := service.turns.jobs.get(stored_id(interaction_id), owner):
        return making.stream(service, job.read(after), _error_event, job)
    interactions = Interactions(service.store, owner)
    record = await interactions.get(interaction_id)
    check_recorded(record, "interaction")
    return making.stream(service, interactions.replay(interaction_id, after, body_of(request)), _error_event)


async def _cancel(service: Service, owner: str, interaction_id: str) -> Json:
    job = service.turns.jobs.get(stored_id(interaction_id), owner)
    if job is not None and MakingInteraction.of(job).background:
        await job.stop()
        found = MakingInteraction.of(job).snapshot()
    else:
        found = await _found(service, owner, interaction_id)
    if found["status"] != "cancelled":
        why = "only what is made in the background and has not ended can be"
        raise BadParameter("id", f"the interaction is {found['status']} and cannot be cancelled: {why}")
    return found


def _error_event(exc: Exception, request_id: str, number: int) -> bytes:
    error = interaction_error_body(exc, request_id)
    return encode("error", dumps({"event_type": "error", "event_id": str(number + 1), "error": error}))
