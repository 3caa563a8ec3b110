"""An execution that is under way: its log, its stop button, and what it amounts to in the end."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Literal

import anyio

from ..errors import InsituError, NotFound
from ..types import CodeError, Event, Execution, FileInfo, Limits, Outcome, Result, Timings, Truncated, Usage
from .calling import ToolCalls
from .claims import is_a
from .console import Ending, StopReason
from .log import CappedOutput, EventLog
from .slots import Slot

_SIGNALS = {
    4: "SIGILL",
    6: "SIGABRT",
    7: "SIGBUS",
    8: "SIGFPE",
    9: "SIGKILL",
    11: "SIGSEGV",
    15: "SIGTERM",
    31: "SIGSYS",
}
_MAX_TEXT = 256 * 1024

Stream = Literal["stdout", "stderr"]
_STREAMS: tuple[Stream, ...] = ("stdout", "stderr")
# After so many events of an execution, output is put together to so many characters; what a result costs at least.
_PROMPT_EVENTS, _EVENT_TEXT, _LEAST_RESULT = 2000, 8192, 1024


class Recorder:
    """Takes what code writes and displays, within its limits, and puts it into the log."""

    def __init__(self, log: EventLog, limits: Limits) -> None:
        self._log = log
        self._outputs = {stream: CappedOutput(limits.output_bytes) for stream in _STREAMS}
        self._held: dict[Stream, str] = dict.fromkeys(_STREAMS, "")
        self._room = limits.results_bytes
        self.results: list[Result] = []
        self.results_truncated = False

    def output(self, stream: Stream, data: bytes) -> None:
        """Take some bytes that the code wrote."""
        before = self._outputs[stream].truncated
        self._held[stream] += self._outputs[stream].feed(data)
        # An event costs the host more than a byte does: from some number on they are put together.
        if len(self._log) < _PROMPT_EVENTS or len(self._held[stream]) >= _EVENT_TEXT:
            self._release(stream)
        if self._outputs[stream].truncated and not before:
            self._held[stream] += "\n[… more output than is streamed …]\n"
            self._release(stream)

    def admits(self, size: int, swells: bool) -> bool:
        """Whether there is room for a result of ``size`` bytes."""
        self._room -= max(size, _LEAST_RESULT)
        self.results_truncated |= swells or self._room < 0
        return not swells and self._room >= 0

    def result(self, data: dict[str, Any], main: bool) -> None:
        """Take one thing that the code displayed."""
        for stream in _STREAMS:
            self._release(stream)
        self.results.append(Result(data, main))
        self._log.append("result", {"data": data, "main": main})

    def text(self, stream: Stream) -> str:
        """What is kept of a stream."""
        return self._outputs[stream].text()

    def finish(self, claimed: bool) -> Truncated:
        """Put out what was held back, and say what was cut."""
        for stream in _STREAMS:
            self._held[stream] += self._outputs[stream].rest()
            self._release(stream)
        cut = {stream: self._outputs[stream].truncated for stream in _STREAMS}
        return Truncated(**cut, results=self.results_truncated or claimed)

    def _release(self, stream: Stream) -> None:
        if self._held[stream]:
            self._log.append(stream, {"text": self._held[stream]})
            self._held[stream] = ""


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


class Verdict:
    """Outcome, error and exit code: decided from what the host saw, and only then from what the guest claims."""

    def __init__(self, ending: Ending, *, oom_killed: bool, exit_code: int | None, limits: Limits, timeout_s: float):
        self._claim = ending.claim
        self.claimed = _claimed_error(ending.claim)
        self.outcome: Outcome
        self.exit_code = 0
        self.error: CodeError | None = self.claimed
        traceback = self.claimed.traceback if self.claimed else ""
        if ending.stopped == "timeout":
            self._set("timeout", 124, "Timeout", f"the code ran longer than its {timeout_s:g} s", traceback)
        elif ending.stopped == "cancelled":
            self._set("cancelled", 130, "Cancelled", "the execution was interrupted", traceback)
        elif oom_killed and (ending.claim is None or (self.error is not None and self.error.name == "MemoryError")):
            mib = limits.memory_bytes >> 20
            self._set("out_of_memory", 137, "OutOfMemory", f"the session used up its {mib} MiB of memory", traceback)
        elif ending.claim is None:
            self._set("crashed", shell_code(exit_code), "Crashed", _describe_death(ending.violation, exit_code))
        elif self.error is not None:
            self.outcome, self.exit_code = "error", _claimed_exit_code(ending.claim)
        else:
            self.outcome = "ok"
        if self.outcome == "error" and self.exit_code == 0:  # `sys.exit(0)` is how many a script says that it is done
            self.outcome, self.error = "ok", None

    def _set(self, outcome: Outcome, exit_code: int, name: str, value: str, traceback: str = "") -> None:
        self.outcome, self.exit_code = outcome, exit_code
        self.error = CodeError(name, value, traceback)


def _claimed_error(claim: Mapping[str, Any] | None) -> CodeError | None:
    error = claim.get("error") if claim else None
    if not isinstance(error, dict):
        return None
    return CodeError(*(str(error.get(key) or "")[:_MAX_TEXT] for key in ("name", "value", "traceback")))


def _claimed_exit_code(claim: Mapping[str, Any]) -> int:
    code = claim["error"].get("exit_code")
    return code & 0xFF if is_a(code, int) else 1


def shell_code(exit_code: int | None) -> int:
    """What a shell would say of an exit code that is negative for a signal."""
    if exit_code is None:
        return 1
    return 128 - exit_code if exit_code < 0 else exit_code or 1


def signal_name(number: int) -> str:
    """A signal, in a word or two."""
    return _SIGNALS.get(number, f"signal {number}")


def _describe_death(violation: str | None, exit_code: int | None) -> str:
    if violation is not None and exit_code in (None, -9):
        return f"the interpreter was ended because of what it sent: {violation}"
    if exit_code is None:
        return "the interpreter died"
    if exit_code < 0:
        return f"the interpreter was killed by {signal_name(-exit_code)}"
    return f"the interpreter ended itself with exit code {exit_code}"


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
