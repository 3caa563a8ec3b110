"""The route of inline lambdas."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...functions.arguments import Inputs
from ...functions.inline import Lambda, Map
from ...heavy import heavy
from ...types import CallResult, CodeError
from ...web.encoding import dumps
from ...web.openapi import answers, takes
from ...web.service import PlainRoute, Service, owner_of
from ...web.wire import INLINE_BYTES, body_of, json_answer
from .gathering import MOST_BYTES, Gathered, Tell, streamed
from .lambda_models import LambdaAnswer, LambdaRequest, MapAnswer
from .reading import read_json

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
        function = function_of(service, asked, owner_of(request))
        service.check_taking()
        if asked.map is None:
            call = partial(function.call, service.engine, asked.given())
            called = await service.while_connected(request.receive, call)
            service.metrics.executions[called.outcome] += 1
            return json_answer(called.to_dict())
        inputs = await heavy(body_of(request).size, asked.inputs)
        if asked.stream:
            return streamed(service, body_of(request), partial(_map, service, function, inputs))
        gathered = Gathered(body_of(request), len(inputs))
        await service.while_connected(request.receive, partial(_gather, service, function, inputs, gathered))
        return gathered.answer()

    return router


def function_of(service: Service, asked: LambdaRequest, owner: str) -> Lambda:
    """The function that a request brings, and where it is to run.

    Raises:
        SessionNotFound: if there is no such session of the owner's.
        InvalidRequest: if a limit or the timeout is out of its range.
    """
    if asked.timeout_s is not None:
        service.settings.within_ceiling("timeout_s", asked.timeout_s)
    return Lambda(
        asked.source,
        owner,
        service.engine.session(asked.session_id, owner=owner) if asked.session_id is not None else None,
        timeout_s=asked.timeout_s,
        env_vars=asked.env_vars,
        environment=asked.environment,
        tier=asked.tier,
        limits=asked.limits.under(service.settings) if asked.limits else None,
    )


async def _map(service: Service, function: Lambda, inputs: Inputs, tell: Tell) -> None:
    async def take(called: CallResult) -> None:
        service.metrics.executions[called.outcome] += 1
        await tell(dumps(called.to_dict()), called.outcome)

    await Map(service.engine, function, inputs, take).run()


async def _gather(service: Service, function: Lambda, inputs: Inputs, gathered: Gathered) -> None:
    async def take(called: CallResult) -> None:
        part = dumps(called.to_dict())
        if not gathered.has_room(len(part)):
            part = dumps((called := _left_out(called)).to_dict())
        service.metrics.executions[called.outcome] += 1
        assert called.index is not None
        gathered.take(called.index, part, called.outcome)

    await Map(service.engine, function, inputs, take).run()


def _left_out(called: CallResult) -> CallResult:
    why = f"the answer has no room for it: all of a map together has {MOST_BYTES} bytes; with stream it has no end"
    return replace(called, result=None, outcome="error", error=CodeError("TooLarge", why), stdout="", stderr="")
