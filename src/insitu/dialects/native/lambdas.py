"""The route of inline lambdas."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...errors import ServerFull
from ...functions.inline import Lambda, Map
from ...types import MIB, Called, CodeError
from ...web.bodies import Body
from ...web.encoding import dumps
from ...web.openapi import answers, takes
from ...web.service import PlainRoute, Service, owner_of
from ...web.sse import EventStream, encode
from ...web.wire import INLINE_BYTES, body_of, json_answer, read_json
from .lambda_models import LambdaAnswer, LambdaRequest, MapAnswer

_MOST_BYTES = 64 * MIB
_AHEAD = 16
_STREAM = (
    "With `stream`: an event `item` for each call as it ends, in the order of their ends, and last `finished` with"
    " the numbers of outcomes. Comments keep a silent stream alive. An error in the midst is the event `error`."
)


def routes(service: Service) -> APIRouter:
    """The route of inline lambdas."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1", tags=["lambdas"])
    cap = min(service.settings.upload_bytes, service.settings.code_bytes + INLINE_BYTES)
    declared = answers(LambdaAnswer | MapAnswer, text="The call, or with `map` all calls, whatever their outcomes.")
    declared["responses"][200]["content"] = {"text/event-stream": {"schema": {"description": _STREAM}}}

    @router.post("/lambda", openapi_extra=takes(LambdaRequest), **declared)
    async def call_lambda(request: Request) -> Response:
        """Call a function that comes with the request: once, or for many inputs side by side."""
        asked = await read_json(request, LambdaRequest, cap)
        function = _function(service, request, asked)
        service.check_taking()
        if asked.map is None:
            call = partial(function.call, service.engine, asked.given())
            called = await service.while_connected(request.receive, call)
            service.metrics.executions[called.outcome] += 1
            return json_answer(called.to_dict())
        inputs = asked.inputs()
        if asked.stream:
            return _streamed(service, function, inputs)
        answer = _Answer(service, body_of(request), [b""] * len(inputs))
        work = Map(service.engine, function, inputs, answer.take)
        await service.while_connected(request.receive, work.run)
        return Response(answer.json(), media_type="application/json")

    return router


def _function(service: Service, request: Request, asked: LambdaRequest) -> Lambda:
    return Lambda(
        asked.source,
        owner_of(request),
        service.session(request, asked.session_id) if asked.session_id is not None else None,
        timeout_s=asked.timeout_s,
        env_vars=asked.env_vars,
        environment=asked.environment,
        tier=asked.tier,
        limits=asked.limits.under(service.settings) if asked.limits else None,
    )


@dataclass
class _Answer:
    """All calls of a map, each encoded as it ends: so is known what they hold."""

    service: Service
    body: Body
    parts: list[bytes]
    size: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    async def take(self, called: Called) -> None:
        part = dumps(called.to_dict())
        if not self._has_room(len(part)):
            part = dumps((called := self._left_out(called)).to_dict())
        self.size += len(part)
        self.outcomes[called.outcome] += 1
        self.service.metrics.executions[called.outcome] += 1
        assert called.index is not None
        self.parts[called.index] = part

    def _has_room(self, size: int) -> bool:
        try:
            self.body.grow(self.body.size + size)
        except ServerFull:
            return False
        return self.size + size <= _MOST_BYTES

    def _left_out(self, called: Called) -> Called:
        why = f"the answer has no room for it: all of a map together has {_MOST_BYTES} bytes; with stream it has no end"
        return replace(called, result=None, outcome="error", error=CodeError("TooLarge", why), stdout="", stderr="")

    def json(self) -> bytes:
        return b'{"items":[%b],"outcomes":%b}' % (b",".join(self.parts), dumps(self.outcomes))


def _streamed(service: Service, function: Lambda, inputs: list[bytes]) -> Response:
    # Bounded: who reads slowly holds up the calls, and not memory.
    send, receive = anyio.create_memory_object_stream[Called](_AHEAD)
    failures: list[Exception] = []

    async def work() -> None:
        try:
            await Map(service.engine, function, inputs, send.send).run()
        except Exception as failure:
            failures.append(failure)
        finally:
            send.close()

    async def events() -> AsyncIterator[bytes]:
        outcomes: Counter[str] = Counter()
        with send, receive:
            async for called in receive:
                outcomes[called.outcome] += 1
                service.metrics.executions[called.outcome] += 1
                yield encode("item", dumps(called.to_dict()), outcomes.total() - 1)
        if failures:
            raise failures[0]
        yield encode("finished", dumps({"outcomes": outcomes}), outcomes.total())

    return EventStream(service, events(), beside=[work])
