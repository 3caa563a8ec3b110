"""The answers of turns: made while the client waits, or streamed to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

import anyio
from starlette.requests import Request

from ..errors import InsituError, foreseen
from ..turn.events import TurnEvent, TurnResult
from ..turn.guard import TurnFailed
from ..turn.jobs import Job
from ..turn.step import Emit
from .bodies import Body
from .errors import CodeRan, ServerStopped
from .service import Service, key_of, owner_of, request_id_of
from .sse import KEEP_ALIVE, EventStream
from .wire import body_of

Asked = TypeVar("Asked")
Value = TypeVar("Value")
# Prepares a turn: for an owner, with the key that the model server may get, what is asked, and what that holds.
Prepare = Callable[[Service, str, str, Asked, Body], Awaitable[Value]]
# Runs a turn, and hands over its events as they come.
Run = Callable[[Emit], Awaitable[TurnResult]]


class Teller(Protocol):
    """Writes what happens in a turn as the parts of a stream."""

    def hear(self, event: TurnEvent) -> None:
        """Send what there is to tell of an event."""

    async def end(self, result: TurnResult) -> None:
        """Send the end."""


async def in_room(service: Service, request: Request, work: Callable[[], Awaitable[Value]]) -> Value:
    """What comes of preparing a turn, or of counting its tokens; it has the room of a turn while its client waits.

    Raises:
        ServerFull: if there is none.
        QuotaExceeded: if the owner's share of it is used up.
    """
    with service.turns.room(owner_of(request)):
        return await service.while_connected(request.receive, work)


async def prepared(service: Service, request: Request, prepare: Prepare[Asked, Value], asked: Asked) -> Value:
    """What a dialect prepares for a request: all that its turn needs.

    Raises:
        InsituError: as of :func:`in_room`, and if something is wrong with what is asked.
    """

    async def work() -> Value:
        return await prepare(service, owner_of(request), key_of(request), asked, body_of(request))

    return await in_room(service, request, work)


async def whole(service: Service, request: Request, run: Run, hear: Emit) -> TurnResult:
    """Run a turn to its end while its client waits.

    Raises:
        CodeRan: if it failed after code had run.
        InsituError: if it failed before.
    """

    try:
        return await service.while_connected(request.receive, partial(run, hear))
    except TurnFailed as exc:
        failures = [_failure(exc, request_id_of(request))]
    # Not in the handler, whose exception it would have as its context, nor from a variable of this frame, which is in
    # its traceback: they would hold each other.
    raise failures.pop()


def _failure(failed: TurnFailed, request_id: str) -> InsituError:
    error = foreseen(failed.error, request_id)
    return CodeRan(error) if failed.code_ran else error


def stream(
    service: Service,
    request: Request,
    answer_id: str,
    run: Run,
    make_teller: Callable[[Callable[[bytes], None]], Teller],
    *,
    on_error: Callable[[Exception, str], bytes],
    keep_alive: bytes = KEEP_ALIVE,
) -> EventStream:
    """Run a turn, and stream what happens in it; who stops reading ends it.

    Args:
        make_teller: gets what sends a part of the stream.
        on_error: an exception and the request's id as the last part.
    """

    async def work(job: Job) -> None:
        teller = make_teller(job.log.add)
        try:
            await teller.end(await run(teller.hear))
        except TurnFailed as exc:
            job.failure = foreseen(exc.error, job.request_id)
        except InsituError as exc:
            job.failure = exc
        except anyio.get_cancelled_exc_class():
            job.failure = ServerStopped() if job.cancelled_by_server else None
            raise

    jobs, request_id = service.turns.jobs, request_id_of(request)
    job = jobs.start(answer_id, owner_of(request), work, request_id=request_id, found=False)
    return EventStream(service, job.read(cancel=True), on_error=on_error, keep_alive=keep_alive, cut=job.forgotten)
