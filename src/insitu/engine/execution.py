"""An execution that is under way: its log, its stop button, and what it amounts to in the end."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import anyio

from ..errors import InsituError, NotFound
from ..types import CodeError, Event, Execution, FileInfo, Timings, Usage
from .calling import ToolCalls
from .clock import StopReason
from .log import EventLog
from .recorder import Recorder
from .slots import Slot
from .verdict import Verdict


class Withdrawn(Exception):
    """Raised when an execution is stopped before it has started."""


class RunningExecution:
    """A handle on an execution: read its events, interrupt it, wait for its result."""

    def __init__(self, session_id: str | None, slot: Slot) -> None:
        self.id = f"exec_{secrets.token_hex(16)}"
        self.session_id = session_id
        self.log = EventLog()
        self.created = time.perf_counter()
        self.waiting = anyio.CancelScope()
        self.slot = slot
        self.detached = False
        self._stop: Callable[[StopReason], None] | None = None
        self._calls: ToolCalls | None = None
        self._wish: StopReason | InsituError | None = None
        self._done = anyio.Event()
        self._execution: Execution | None = None
        self._failure: InsituError | None = None

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._done.is_set()

    @property
    def started(self) -> bool:
        """Whether its code may have run."""
        return self._stop is not None

    @property
    def paused(self) -> bool:
        """Whether it waits for its client to answer a call of a tool."""
        return self._calls is not None and bool(self._calls.paused)

    @property
    def pending(self) -> list[Mapping[str, Any]]:
        """The calls of tools that its client has to answer, as the events ``tool_call`` tell them."""
        if self._calls is None or self.done:
            return []
        waiting = {call.id for call in self._calls.paused}
        calls = (event.data for event in self.log.entries if event.kind == "tool_call")
        return [call for call in calls if call["call_id"] in waiting]

    def detach(self) -> None:
        """Let it go on when whoever has started it leaves: somebody else has found it."""
        self.detached = True

    async def answer(self, call_id: str, answer: object) -> None:
        """Answer a call of a tool, with a value in JSON's types or with a ``ToolFailure``.

        Raises:
            NotFound: if no call waits under this id.
        """
        if self._calls is None or self.done:
            raise NotFound(f"no call {call_id!r} waits for an answer", hint="the execution has ended, or not begun")
        await self._calls.answer(call_id, answer)

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        """Yield the log from event number ``after`` on, to its end.

        Raises:
            InsituError: if the execution could not be carried out.
        """
        async for event in self.log.read(after):
            yield event
        if self._failure is not None:
            raise self._failure

    async def interrupt(self) -> None:
        """Interrupt the code; it is killed if it does not stop within the grace time."""
        self.stop("cancelled")

    def stop(self, reason: StopReason) -> None:
        """Stop it now; if it has not started, it never does."""
        if self._stop is not None:
            self._stop(reason)
        else:
            self._wish = self._wish or reason
            self.waiting.cancel()

    def give_up(self, error: InsituError) -> None:
        """Have it fail if it has not started; what has started sees for itself what is wrong."""
        if self._stop is None:
            self._wish = self._wish or error
            self.waiting.cancel()

    def attach(self, stop: Callable[[StopReason], None], calls: ToolCalls | None = None) -> None:
        """Say how to stop it from now on, and where its calls of tools are.

        Raises:
            Withdrawn: if that has been wished already.
        """
        if self._wish is not None:
            raise Withdrawn
        self._stop, self._calls = stop, calls

    def withdraw(self) -> None:
        """Record that it was stopped before it started, or never could."""
        if isinstance(self._wish, InsituError):
            return self.fail(self._wish)
        error = CodeError("Cancelled", "the execution was interrupted before it started")
        self.finish(Execution(self.id, self.session_id, "cancelled", state_kept=True, exit_code=130, error=error))

    async def result(self) -> Execution:
        """Wait for the end.

        Raises:
            InsituError: if the execution could not be carried out.
        """
        await self._done.wait()
        if self._failure is not None:
            raise self._failure
        assert self._execution is not None
        return self._execution

    def finish(self, execution: Execution) -> None:
        """Record the end."""
        self._execution = execution
        self._done.set()
        self.log.append("finished", execution.to_dict())
        self.log.end()

    def fail(self, error: InsituError) -> None:
        """Record that it could not be carried out; what has ended already stays as it is."""
        if self.done:
            return
        self._failure = error
        self._done.set()
        self.log.end()


def summarize(
    running: RunningExecution,
    recorder: Recorder,
    verdict: Verdict,
    *,
    claim: Mapping[str, Any] | None,
    state_kept: bool,
    files: Iterable[FileInfo],
    usage: Usage,
    timings: Timings,
) -> Execution:
    """Everything about an execution that is over, as one value."""
    truncated = recorder.finish(bool(claim and claim.get("truncated")))
    return Execution(
        id=running.id,
        session_id=running.session_id,
        outcome=verdict.outcome,
        state_kept=state_kept,
        exit_code=verdict.exit_code,
        stdout=recorder.text("stdout"),
        stderr=recorder.text("stderr"),
        results=tuple(recorder.results),
        error=verdict.error,
        files=tuple(files),
        truncated=truncated,
        usage=usage,
        timings=timings,
    )
