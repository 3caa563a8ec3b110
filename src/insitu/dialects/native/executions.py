"""The routes of tools, and of executions that wait for their clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from ...engine import RunningExecution
from ...tools import Tool
from ...types import MIB
from ...web.encoding import dumps
from ...web.openapi import answers, takes
from ...web.service import Service, owner_of
from ...web.sse import EventStream, encode
from ...web.wire import json_answer
from .models import Interrupted
from .reading import read_json
from .tool_models import AnswerRequest, ExecutionState, ToolList

# What the engine takes of one answer, and what is around it.
_MOST_BYTES = 9 * MIB


def routes(service: Service) -> APIRouter:
    """The routes of tools, and of executions that wait for their clients."""
    router = APIRouter(prefix="/v1", tags=["tools"])

    def find(request: Request, execution_id: str) -> RunningExecution:
        return service.engine.execution(execution_id, owner=owner_of(request))

    @router.get("/tools", **answers(ToolList))
    async def list_tools(request: Request) -> Response:
        """The tools that code can be granted, by naming them in `tools`."""
        return json_answer({"tools": [_described(tool) for tool in service.tools.tools()]})

    @router.get("/executions/{execution_id}", **answers(ExecutionState))
    async def get_execution(request: Request, execution_id: str) -> Response:
        """How far an execution with `client_tools` is; from now on it goes on without a reader."""
        running = find(request, execution_id)
        running.detach()
        return json_answer(await _state(running))

    @router.get("/executions/{execution_id}/events", **_streams())
    async def follow_execution(
        request: Request,
        execution_id: str,
        after: Annotated[int, Query(ge=-1, le=1 << 31, description="the last event that is known already")] = -1,
    ) -> Response:
        """The events of an execution with `client_tools` once more; from now on it goes on without a reader."""
        running = find(request, execution_id)
        running.detach()
        return EventStream(service, _events(running, after + 1))

    @router.post("/executions/{execution_id}/answers", openapi_extra=takes(AnswerRequest), **answers(ExecutionState))
    async def answer_call(request: Request, execution_id: str) -> Response:
        """Answer a call of one of `client_tools`; the code goes on, from now on without a reader, too."""
        asked = await read_json(request, AnswerRequest, _MOST_BYTES)
        running = find(request, execution_id)
        # The connection of a reader that has gone may be noticed only after the answer.
        running.detach()
        await service.while_connected(request.receive, lambda: running.answer(asked.call_id, asked.answer()))
        return json_answer(await _state(running))

    @router.post("/executions/{execution_id}/interrupt", **answers(Interrupted))
    async def interrupt_execution(request: Request, execution_id: str) -> Response:
        """Interrupt an execution with `client_tools`, as Ctrl-C would."""
        running = find(request, execution_id)
        was_done = running.done
        await running.interrupt()
        return json_answer({"interrupted": not was_done})

    return router


async def _events(running: RunningExecution, after: int) -> AsyncIterator[bytes]:
    async for event in running.events(after):
        yield encode(event.kind, dumps(event.data), event.seq)


async def _state(running: RunningExecution) -> dict[str, Any]:
    calls = running.pending
    state = "paused" if calls else "running" if running.started else "waiting"
    return {
        "id": running.id,
        "session_id": running.session_id,
        "state": "ended" if running.done else state,
        "calls": list(calls),
        "execution": (await running.result()).to_dict() if running.done else None,
    }


def _described(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "source": tool.source,
    }


def _streams() -> dict[str, Any]:
    declared = answers(None, text="The events, from the one after `after` on.")
    declared["responses"][200]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    return declared
