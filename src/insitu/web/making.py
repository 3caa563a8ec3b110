"""Answers that are stored: each is made by a job, which may outlive its request, and can be followed again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sized
from contextlib import ExitStack
from typing import Any, ClassVar, Protocol, Self

import anyio
from starlette.requests import Request
from starlette.responses import Response

from ..errors import foreseen
from ..turn.events import CallRunning, TurnEvent, TurnResult, TurnUsage
from ..turn.guard import TurnFailed
from ..turn.jobs import Job
from ..turn.request import TurnRequest
from ..turn.turns import server_stopping
from . import turns
from .encoding import dumps
from .errors import Described, ServerStopped, described
from .service import Service, request_id_of
from .sse import EventStream, encode
from .wire import body_of, json_answer

# An exception, the request's id and how many events there were, as one more event.
OnError = Callable[[Exception, str, int], bytes]


class Emitter(Protocol):
    """Tells of an answer by events, which it sends."""

    begun: bool

    def snapshot(self) -> dict[str, Any]:
        """The answer as it is now."""

    def begin(self) -> None:
        """Say that there is an answer, unless that was said already."""

    def hear(self, event: TurnEvent) -> None:
        """Take something that happened in the turn."""

    def end(self, status: str) -> None:
        """Tell how it ended, but for the last event."""

    def last(self) -> dict[str, Any]:
        """The last event, which is not sent."""

    def release(self) -> None:
        """Let go of what is not needed any more."""


class Making(ABC):
    """An answer that is being made.

    Args:
        key: what it is found by while it is made.
        turn: what it is made by.
        background: whether it goes on without a client, and its events are stored.
        streamed: whether its client hears of it meanwhile.
        stored: whether it can be found, now and later.
    """

    # The member of an event that says what it is.
    event_type: ClassVar[str]
    _emitter: Emitter

    def __init__(
        self, service: Service, key: str, turn: TurnRequest, *, background: bool, streamed: bool, stored: bool
    ) -> None:
        self.background = background
        self.streamed = streamed
        self._stored = stored
        self._key = key
        self._service = service
        self._turn = turn
        self._owner = turn.owner
        self._room = ExitStack()
        self._job: Job | None = None
        self._code_ran = False

    @classmethod
    def of(cls, job: Job) -> Self:
        """What a job makes."""
        assert isinstance(job.state, cls)
        return job.state

    @abstractmethod
    def set_usage(self, usage: TurnUsage) -> None:
        """Take the tokens that the turn has cost."""

    @abstractmethod
    async def answer(self, result: TurnResult) -> None:
        """Tell of the turn's end, but for the last event."""

    @abstractmethod
    def fail(self, told: Described) -> None:
        """Tell that the turn has failed, but for the last event."""

    @abstractmethod
    async def save(self, events: list[bytes] | None) -> None:
        """Store the answer as it is now.

        Args:
            events: all of them, if it is made in the background; None before the end.
        """

    def snapshot(self) -> dict[str, Any]:
        """The answer as it is now."""
        return self._emitter.snapshot()

    def start(self, request: Request) -> Job:
        """Start to make it.

        Args:
            request: what asks for it; what it holds in memory, the answer does until it is made.

        Raises:
            ServerFull: if there is no room for another turn.
            QuotaExceeded: if the owner's share of it is used up.
        """
        all_turns, request_id = self._service.turns, request_id_of(request)
        self._room.enter_context(all_turns.room(self._owner))
        self._room.callback(body_of(request).hand_over().let_go)
        work, found = self._work, self._stored
        return all_turns.jobs.start(self._key, self._owner, work, self, request_id=request_id, found=found)

    def _send(self, event: dict[str, Any]) -> None:
        assert self._job is not None
        self._job.log.add(self._encoded(event))

    def _encoded(self, event: dict[str, Any]) -> bytes:
        return encode(event[self.event_type], dumps(event))

    async def _work(self, job: Job) -> None:
        self._job = job
        try:
            with self._room:
                await self._make(job)
        finally:
            # What it holds can be large, and in circles it would wait for the garbage collector.
            self._job = None
            self._emitter.release()

    async def _make(self, job: Job) -> None:
        try:
            await self._run()
        except anyio.get_cancelled_exc_class():
            if job.cancelled_by_server:
                self._fail(job, ServerStopped() if self._told else server_stopping())
            else:
                self._emitter.end("cancelled")
            raise
        except TurnFailed as exc:
            self.set_usage(exc.usage)
            self._fail(job, exc.error)
        except Exception as exc:
            self._fail(job, exc)
        finally:
            if job.failure is None:
                # Whoever has left: what there is is written down.
                with anyio.CancelScope(shield=True):
                    await self._finish(job)

    @property
    def _told(self) -> bool:
        """Whether the client has heard of it, or code has run: then it must not be asked for again in silence."""
        return self._code_ran or ((self.streamed or self.background) and self._emitter.begun)

    async def _run(self) -> None:
        if self.background:
            self._emitter.begin()
            await self.save(None)
        result = await self._service.turns.run_in_room(self._turn, self._hear)
        self.set_usage(result.usage)
        await self.answer(result)

    def _hear(self, event: TurnEvent) -> None:
        self._code_ran |= isinstance(event, CallRunning)
        self._emitter.hear(event)

    def _fail(self, job: Job, exc: Exception) -> None:
        error = foreseen(exc, job.request_id)
        if self._told:
            self.fail(described(error, job.request_id))
        else:
            job.failure = error

    async def _finish(self, job: Job) -> None:
        last = self._encoded(self._emitter.last())
        if self._stored:
            await self.save([*job.log.entries, last] if self.background else [])
        # Who hears of the end finds all of it stored.
        job.log.add(last)


async def create(
    service: Service, request: Request, prepare: Callable[[], Awaitable[Making]], on_error: OnError
) -> Response:
    """Answer a request for something that is stored: with all of it, with its events, or with its beginning.

    Args:
        prepare: finds and checks everything that the request names.
    """
    making = await turns.in_room(service, request, prepare)
    job = making.start(request)
    if making.streamed:
        return stream(service, job.read(cancel=not making.background), on_error, job)
    if not making.background:
        try:
            await service.while_connected(request.receive, job.wait)
        finally:
            job.cancel()
        if job.failure is not None:
            failures = [job.failure]
            del job, making  # this frame is in the failure's traceback: they would hold each other
            raise failures.pop()
    return json_answer(making.snapshot())


def stream(service: Service, events: AsyncIterator[bytes], on_error: OnError, job: Job | None = None) -> EventStream:
    """Events as an answer.

    Args:
        job: where they come from, while it is under way.
    """
    told: Sized = job.log if job else ()

    def encode_error(exc: Exception, request_id: str) -> bytes:
        return on_error(exc, request_id, len(told))

    return EventStream(service, events, on_error=encode_error, cut=job.forgotten if job else None)
