"""The route of batches: executions, lambdas, functions and tools, in one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...engine import ToolFailure
from ...errors import TooLarge, foreseen
from ...web.encoding import dumps
from ...web.errors import described, error_body
from ...web.openapi import answers, takes
from ...web.service import PlainRoute, Service, owner_of, request_id_of
from ...web.wire import INLINE_BYTES, body_of
from .batch_models import BatchAnswer, BatchCall, BatchItem, BatchRequest, ToolCall
from .execute import started
from .gathering import MOST_BYTES, Gathered, streamed
from .lambda_models import LambdaRequest
from .lambdas import function_of
from .models import ExecuteRequest
from .reading import read_json

_AT_ONCE = 32
_STREAM = (
    "With `stream`: an event `item` for each call as it ends, in the order of their ends, and last `finished` with"
    " the numbers of statuses. Comments keep a silent stream alive."
)


def routes(service: Service) -> APIRouter:
    """The route of batches."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1", tags=["batches"])
    cap = min(service.settings.upload_bytes, service.settings.code_bytes + INLINE_BYTES)
    declared = answers(BatchAnswer, text="All calls, whatever their outcomes.")
    declared["responses"][200]["content"] = {"text/event-stream": {"schema": {"description": _STREAM}}}

    @router.post("/batch", openapi_extra=takes(BatchRequest), **declared)
    async def run_batch(request: Request) -> Response:
        """Make many calls in one round trip; when the client leaves, all of them are cancelled."""
        asked = await read_json(request, BatchRequest, cap)
        schedule = asked.schedule()
        service.check_taking()
        batch = _Batch(service, owner_of(request), request_id_of(request), asked)

        async def run(tell: Callable[[int, bytes, str], Awaitable[None]]) -> None:
            at_once = min(_AT_ONCE, service.settings.max_executions)
            batch.tell = tell
            await schedule.run(batch.do, batch.skip, at_once=at_once, go_on=asked.on_failure == "go_on")

        if asked.stream:
            return streamed(service, body_of(request), lambda tell: run(lambda index, part, status: tell(part, status)))
        gathered = Gathered(body_of(request), len(asked.calls))

        async def take(index: int, part: bytes, status: str) -> None:
            if not gathered.has_room(len(part)):
                part, status = batch.left_out(index)
            gathered.take(index, part, status)

        await service.while_connected(request.receive, lambda: run(take))
        return gathered.answer()

    return router


@dataclass
class _Batch:
    """The calls of one batch."""

    service: Service
    owner: str
    request_id: str
    asked: BatchRequest
    tell: Callable[[int, bytes, str], Awaitable[None]] | None = None

    async def do(self, index: int) -> bool:
        """Make a call, and tell what came of it; whether it went well."""
        call = self.asked.calls[index]
        try:
            answer, well = await self._answer(call)
        except Exception as error:
            await self._told(self._item(index, "refused", error=self._error(error)))
            return False
        await self._told(self._item(index, "ok" if well else "failed", answer=answer))
        return well

    async def skip(self, index: int, failed: int) -> None:
        """Tell that a call is not made, since another did not end well."""
        calls = self.asked.calls
        name = f"call {failed}" if calls[failed].id is None else f"the call {calls[failed].id!r}"
        error = {"type": "skipped", "code": "skipped", "message": f"{name}, which it waited for, did not end well"}
        await self._told(self._item(index, "skipped", error=error))

    def left_out(self, index: int) -> tuple[bytes, str]:
        """What takes the place of an item that the answer has no room for."""
        error = TooLarge(
            f"the answer has no room for it: all of a batch together has {MOST_BYTES} bytes; with stream it has no end"
        )
        return dumps(self._item(index, "refused", error=self._error(error)).model_dump()), "refused"

    async def _told(self, item: BatchItem) -> None:
        assert self.tell is not None
        await self.tell(item.index, dumps(item.model_dump()), item.status)

    def _item(self, index: int, status: Any, answer: Any = None, error: dict[str, Any] | None = None) -> BatchItem:
        call = self.asked.calls[index]
        return BatchItem.model_construct(
            index=index, id=call.id, kind=call.kind, status=status, answer=answer, error=error
        )

    def _error(self, error: Exception) -> dict[str, Any]:
        return error_body(described(foreseen(error, self.request_id), self.request_id))

    async def _answer(self, call: BatchCall) -> tuple[dict[str, Any], bool]:
        if call.execute is not None:
            return await self._execute(call.execute)
        if call.inline is not None:
            return await self._lambda(call.inline)
        if call.function is not None:
            asked = call.function
            given = (self.owner, asked.name, asked.args, asked.kwargs)
            ended = await self.service.functions.invoke(*given, qualifier=asked.qualifier, wait=True)
            if ended.outcome is not None:
                self.service.metrics.executions[ended.outcome] += 1
            return ended.to_dict(), ended.outcome == "ok"
        assert call.tool is not None
        return await self._tool(call.tool)

    async def _execute(self, asked: ExecuteRequest) -> tuple[dict[str, Any], bool]:
        async with await started(self.service, asked, self.owner) as running:
            execution = await running.result()
        self.service.metrics.executions[execution.outcome] += 1
        return execution.to_dict(), execution.ok

    async def _lambda(self, asked: LambdaRequest) -> tuple[dict[str, Any], bool]:
        function = function_of(self.service, asked, self.owner)
        called = await function.call(self.service.engine, asked.given())
        self.service.metrics.executions[called.outcome] += 1
        return called.to_dict(), called.ok

    async def _tool(self, asked: ToolCall) -> tuple[dict[str, Any], bool]:
        answer = await self.service.tools.call(asked.name, asked.arguments, self.owner)
        if isinstance(answer, ToolFailure):
            return {"error": {"name": answer.name, "message": answer.message}}, False
        return {"value": answer}, True
