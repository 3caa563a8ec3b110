"""The routes that run code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...engine import RunningExecution, Session
from ...tools import ClientTools, Grant
from ...types import Execution
from ...web.encoding import dumps
from ...web.fields import uploads
from ...web.openapi import answers, takes
from ...web.service import PlainRoute, Service, owner_of
from ...web.sse import EventStream, encode
from ...web.wire import INLINE_BYTES, json_answer
from .models import ExecuteRequest, Interrupted, SessionExecuteRequest
from .reading import read_json

STREAM = (
    "With `stream`: events `started`, `stdout`, `stderr`, `result`, `tool_call`, `tool_result` and last `finished`,"
    " which carries the whole execution; `id` counts from 0. Comments keep a silent stream alive. An error in the"
    " midst is the event `error`."
)
Start = AbstractAsyncContextManager[RunningExecution]


def routes(service: Service) -> APIRouter:
    """The routes that run code."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1", tags=["executions"])
    # Inline files are for small things: a large body of JSON takes long to read, and holds up everybody.
    cap = min(service.settings.upload_bytes, service.settings.code_bytes + INLINE_BYTES)

    @router.post("/sessions/{session_id}/execute", openapi_extra=takes(SessionExecuteRequest), **_streams_or(Execution))
    async def execute_in_session(request: Request, session_id: str) -> Response:
        """Run code in a session: its variables and files are those that earlier executions left."""
        asked = await read_json(request, SessionExecuteRequest, cap)
        session = service.session(request, session_id)
        return await _answer(service, request, asked, await _in_session(service, asked, session))

    @router.post("/execute", openapi_extra=takes(ExecuteRequest), **_streams_or(Execution))
    async def execute(request: Request) -> Response:
        """Run code in a fresh sandbox that is destroyed afterwards, or in a session."""
        asked = await read_json(request, ExecuteRequest, cap)
        return await _answer(service, request, asked, await started(service, asked, owner_of(request)))

    @router.post("/sessions/{session_id}/interrupt", **answers(Interrupted))
    async def interrupt(request: Request, session_id: str) -> Response:
        """Interrupt what runs in the session, as Ctrl-C would; its state is kept."""
        return json_answer({"interrupted": await service.session(request, session_id).interrupt()})

    return router


async def started(service: Service, asked: ExecuteRequest, owner: str) -> Start:
    """The execution that a request asks for, in a session of its owner's or in a fresh sandbox.

    Raises:
        SessionNotFound: if there is no such session.
        InvalidRequest: if it asks for tools that there are not.
    """
    if asked.session_id is not None:
        return await _in_session(service, asked, service.engine.session(asked.session_id, owner=owner))
    return await _in_fresh_sandbox(service, asked, owner)


async def _events(service: Service, start: Start) -> AsyncIterator[bytes]:
    async with start as execution:
        async for event in execution.events():
            yield encode(event.kind, dumps(event.data), event.seq)
            if event.kind == "finished":
                service.metrics.executions[event.data["outcome"]] += 1


async def _in_session(service: Service, asked: SessionExecuteRequest, session: Session) -> Start:
    grant = _grant(service, asked)
    start = service.engine.start(
        session,
        asked.code,
        owner=session.owner,
        timeout_s=asked.timeout_s,
        env_vars=asked.env_vars,
        files=await uploads(asked.files),
        return_files=asked.return_files,
        tools=grant.specs,
    )
    return service.tools.answering(start, grant, session.owner)


async def _in_fresh_sandbox(service: Service, asked: ExecuteRequest, owner: str) -> Start:
    grant = _grant(service, asked)
    start = service.engine.start(
        None,
        asked.code,
        owner=owner,
        timeout_s=asked.timeout_s,
        limits=asked.limits.under(service.settings) if asked.limits else None,
        environment=asked.environment,
        tier=asked.tier,
        env_vars=asked.env_vars,
        files=await uploads(asked.files),
        return_files=asked.return_files,
        tools=grant.specs,
    )
    return service.tools.answering(start, grant, owner)


def _grant(service: Service, asked: SessionExecuteRequest) -> Grant:
    own = ClientTools()
    for each in asked.client_tools:
        own.add(each.name, each.description, each.parameters)
    return service.tools.grant(asked.tools, own.specs)


def _streams_or(model: Any) -> dict[str, Any]:
    """The answers of a route that can stream."""
    declared = answers(model, text="The execution, whatever its outcome.")
    declared["responses"][200]["content"] = {"text/event-stream": {"schema": {"description": STREAM}}}
    return declared


async def _answer(service: Service, request: Request, asked: SessionExecuteRequest, start: Start) -> Response:
    service.check_taking()
    if asked.stream:
        return EventStream(service, _events(service, start))

    async def work() -> Execution:
        async with start as running:
            return await running.result()

    execution = await service.while_connected(request.receive, work)
    service.metrics.executions[execution.outcome] += 1
    return Response(_json(execution), media_type="application/json")


def _json(execution: Execution) -> bytes:
    """An execution in the form that the API speaks."""
    try:
        # Eight times faster than by way of `to_dict`, which drops what files have no content.
        return dumps(execution.to_dict()) if execution.files else orjson.dumps(execution)
    except TypeError:
        return dumps(execution.to_dict())
