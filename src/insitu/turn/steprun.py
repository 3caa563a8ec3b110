"""The calls of one step while they are run: they outlive their turn if their code waits for the client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import anyio

from ..errors import NotFound
from .answers import AnswerText
from .events import CallEvent, CallPaused
from .step import Emit, ModelCall
from .undertaken import Run, Undertaken

# Calls that code makes side by side come one after the other: the client is told of them together. Nothing says that
# no more will come, since a thread of the code's own may make one at any time; what comes later is told in turn.
_SETTLED_S = 0.05


class Runner(Protocol):
    """Runs a call."""

    async def run(self, undertaken: Undertaken) -> Run:
        """Run it to its end; whatever goes wrong is in what the model is told."""


class StepRun:
    """The calls of one step, in a task of their own.

    Args:
        owner: whose they are.
        calls: those that are to be run.

    ``callers`` has each of its calls by its id, and by those of the client's functions that its code has called. One
    turn at a time listens. Once the calls have been ``paused``, they go on whoever leaves.
    """

    def __init__(self, owner: str, calls: Sequence[ModelCall]) -> None:
        self.owner = owner
        self.paused = self.over = False
        self.callers = {call.id: call for call in calls}
        self._all = {call.id: Undertaken(call, callers=self.callers) for call in calls}
        self._emit: Emit | None = None
        self._listening = anyio.Lock(fast_acquire=True)
        self._scope = anyio.CancelScope()
        self._changed = anyio.Event()
        self._failure: Exception | None = None

    @property
    def runs(self) -> Mapping[str, Run]:
        """What has come of its calls so far."""
        return {call_id: each.run for call_id, each in self._all.items() if each.run is not None}

    @property
    def open_calls(self) -> list[str]:
        """Those of its calls that are not over."""
        return [each.call.id for each in self._open]

    @property
    def waiting(self) -> list[str]:
        """The calls of its code that the client has not answered."""
        return [call_id for each in self._open for call_id in each.waiting]

    async def perform(self, runner: Runner) -> None:
        """Run them all; a defect is told to whoever waits for them."""
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    for undertaken in self._all.values():
                        tasks.start_soon(self._one, runner, undertaken)
        except Exception as exc:
            self._failure = exc
        finally:
            self.over = True
            self.note()

    async def _one(self, runner: Runner, undertaken: Undertaken) -> None:
        undertaken.run = await runner.run(undertaken)
        self.note()

    def cancel(self) -> None:
        """End what runs."""
        self._scope.cancel()

    def note(self) -> None:
        """Take note that something has changed."""
        self._changed.set()
        self._changed = anyio.Event()

    @asynccontextmanager
    async def attached(self, emit: Emit, report: Collection[str] | None = None) -> AsyncIterator[None]:
        """Tell a turn of what happens; another one waits until it has left.

        Args:
            report: for a turn that goes on with these calls: they are told from their beginning.
        """
        async with self._listening:
            self._emit = emit
            try:
                if report is not None:
                    self._report(report)
                yield
            finally:
                self._emit = None

    def _report(self, ids: Collection[str]) -> None:
        for each in self._all.values():
            each.begun = False
            if each.run is not None and each.call.id in ids:
                self.hear(each.run.done)

    def hear(self, event: CallEvent) -> None:
        """Pass on what happens in a call."""
        if self._emit is None:
            return
        undertaken = self._all[event.id]
        if not undertaken.begun:
            undertaken.begun = True
            for earlier in undertaken.beginning():
                self._emit(earlier)
        self._emit(event)

    async def deliver(self, answers: Mapping[str, object]) -> None:
        """Give code the answers that it waits for; all others are passed over, as of a request that is sent again."""
        for each in self._open:
            for call_id in [call_id for call_id in each.waiting if call_id in answers]:
                assert each.running is not None
                answer = answers[call_id]
                value = await answer.value() if isinstance(answer, AnswerText) else answer
                with suppress(NotFound):  # its time was over at this moment
                    await each.running.answer(call_id, value)
                each.waiting.pop(call_id, None)

    async def wait(self) -> bool:
        """Wait until all are over, or nothing goes on without the client; whether it is the latter."""
        while not self.over:
            changed = self._changed
            if not self._at_rest:
                await changed.wait()
                continue
            with anyio.move_on_after(_SETTLED_S) as patience:
                await changed.wait()
            if patience.cancelled_caught and self._at_rest:
                return True
        if self._failure is not None:
            raise self._failure
        return False

    def pause(self) -> None:
        """Tell the turn that listens of the calls that the client is to answer."""
        assert self._emit is not None
        self.paused = True
        for each in self._open:
            if each.begun:
                self._emit(CallPaused(each.call.id))
        for event in [event for each in self._open for event in each.pending()]:
            self._emit(event)

    @property
    def _open(self) -> list[Undertaken]:
        return [each for each in self._all.values() if each.run is None]

    @property
    def _at_rest(self) -> bool:
        return any(each.waiting for each in self._open) and all(each.at_rest for each in self._open)
