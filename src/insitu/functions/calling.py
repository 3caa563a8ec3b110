"""One invocation: a sandbox for it, the call, and what it amounts to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import anyio

from ..engine import Call, Engine, RunningExecution
from ..errors import InvalidRequest, NotFound, SandboxFailed, SessionNotFound
from ..guest.values import MIME
from ..schemas import Checker
from ..types import CallResult, CodeError, Execution, FunctionRevision, Invocation, Outcome, Timings
from .keeping import FunctionStore
from .warm import Warm, WarmSandbox

_TAIL, _MOST_CHECKERS = 16 * 1024, 64


class Live:
    """An invocation that is under way; readers follow its execution.

    Args:
        let_in: called once the engine has let it in.
    """

    def __init__(self, owner: str, let_in: Callable[[], None] = lambda: None) -> None:
        self.owner = owner
        self.running: RunningExecution | None = None
        self._let_in = let_in
        self.begun = anyio.Event()
        self.done = anyio.Event()

    def attach(self, running: RunningExecution) -> None:
        """Say by which execution it is carried out."""
        self.running = running
        self.begun.set()
        self._let_in()

    def end(self) -> None:
        """Say that it has ended."""
        self.begun.set()
        self.done.set()


class Caller:
    """Carries out invocations."""

    def __init__(self, engine: Engine, store: FunctionStore, warm: Warm) -> None:
        self._engine = engine
        self._store = store
        self._warm = warm
        self._checkers: dict[str, Checker] = {}

    def check(self, revision: FunctionRevision, args: object, kwargs: Mapping[str, Any]) -> None:
        """See that arguments are what a revision's schema says.

        Raises:
            InvalidRequest: if they are not.
            TooLarge: if the check would take too long.
        """
        if revision.spec.schema is None:
            return
        if args:
            raise InvalidRequest(
                f"the function {revision.name!r} takes its arguments by name: it has a schema",
                hint="name each of them; in HTTP's body that is kwargs",
            )
        self._checker(revision).check(dict(kwargs))

    async def call(
        self, owner: str, revision: FunctionRevision, invocation: Invocation, arguments: bytes, live: Live
    ) -> Invocation:
        """Carry out an invocation.

        Raises:
            InsituError: if it could not be; whatever the code does is in the value.
        """
        while True:
            sandbox = await self._warm.take(owner, revision)
            cold = sandbox.fresh
            try:
                execution = await self._execute(owner, revision, sandbox, arguments, live)
            except SessionNotFound as error:
                if cold:
                    raise SandboxFailed(f"the sandbox of the function {revision.name!r} was lost: {error}") from None
                continue  # it died while the call waited for its place: nothing has run
            return _ended(replace(invocation, cold=cold), execution, sandbox.made_ms if cold else 0.0)

    async def _execute(
        self, owner: str, revision: FunctionRevision, sandbox: WarmSandbox, arguments: bytes, live: Live
    ) -> Execution:
        keep = False
        try:
            spec = revision.spec
            # Read from the disk while they are written into it: however many start, none holds its code in memory.
            files = await self._store.files(owner, revision) if sandbox.fresh else ()
            call = Call("", spec.handler, arguments)
            async with self._engine.start(sandbox.session, call, files=files, timeout_s=spec.timeout_s) as running:
                live.attach(running)
                execution = await running.result()
            sandbox.fresh = False
            # Where an interpreter was killed, files may be half written and the disk may be full.
            keep = spec.reuse and execution.state_kept
            return execution
        finally:
            self._warm.give(sandbox, keep=keep)

    def _checker(self, revision: FunctionRevision) -> Checker:
        checker = self._checkers.pop(revision.revision, None) or Checker(revision.spec.schema)
        self._checkers[revision.revision] = checker
        if len(self._checkers) > _MOST_CHECKERS:
            del self._checkers[next(iter(self._checkers))]
        return checker


def failed(invocation: Invocation, error: Exception) -> Invocation:
    """An invocation that could not be carried out, for whoever asks for it later."""
    outcome: Outcome = "cancelled" if isinstance(error, NotFound) else "crashed"  # it was deleted before it ran
    return invocation.broken_off(outcome, CodeError(type(error).__name__, str(error)))


def given_up(invocation: Invocation) -> Invocation:
    """An invocation whose caller has gone away."""
    return invocation.broken_off("cancelled", CodeError("Cancelled", "whoever waited for it went away"))


def _ended(invocation: Invocation, execution: Execution, made_ms: float) -> Invocation:
    called, timings = CallResult.of(execution, MIME), execution.timings
    sandbox_ms, total_ms = round(timings.sandbox_ms + made_ms, 3), round(timings.total_ms + made_ms, 3)
    return replace(
        invocation,
        state="done",
        outcome=called.outcome,
        result=called.result,
        error=called.error,
        stdout=called.stdout[-_TAIL:],
        stderr=called.stderr[-_TAIL:],
        duration_ms=total_ms,
        peak_memory_bytes=called.usage.peak_memory_bytes,
        timings=Timings(timings.queued_ms, sandbox_ms, timings.run_ms, total_ms),
    )
