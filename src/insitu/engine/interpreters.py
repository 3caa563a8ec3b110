"""The interpreter of a session: there when code is to run, and replaced when it has died."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from ..errors import SandboxFailed, SessionNotFound
from ..isolation.base import AgentRefused, Sandbox
from ..types import Execution, FileInfo, Timings, Usage
from .calling import ToolCalls
from .changes import Changes
from .claims import number
from .console import Console, Ending
from .execution import RunningExecution, summarize
from .guarded import GuardedSandbox
from .process import oom_kills
from .recorder import Recorder
from .task import Task
from .verdict import Verdict

# Nobody's processor time: whoever claims more claims nonsense.
_LONGEST_S = 1e9


class Interpreters:
    """The interpreters of one session, one after the other; the caller holds the session's turn.

    Args:
        changes: tells which files code has changed.
        env_vars: variables that all of them find.
    """

    def __init__(
        self, sandbox: Sandbox, guarded: GuardedSandbox, changes: Changes, env_vars: Mapping[str, str]
    ) -> None:
        self._sandbox, self._guarded = sandbox, guarded
        self._changes, self._env_vars = changes, env_vars
        self._console: Console | None = None
        self._oom_before = 0

    async def living(self) -> tuple[Console, bool]:
        """The console of one, and whether that had to take the place of one that died while nothing ran."""
        lost = self._console is not None and not self._console.alive
        if self._console is not None and lost:
            await self._bury(self._console)
            self._oom_before = self._sandbox.oom_kills()
        if self._console is None:
            interpreter = await self._guarded.living().start_interpreter()
            self._console = Console(interpreter, self._sandbox.limits.results_bytes)
        return self._console, lost

    async def run(self, running: RunningExecution, task: Task, console: Console, lost: bool) -> Execution:
        """Have it carry out a task."""
        calls = ToolCalls(task.tools, running.log, console, running.slot, task.tool_wait_s)
        running.attach(console.stop, calls)
        recorder = Recorder(running.log, self._sandbox.limits)
        running.log.append("started", {"id": running.id, "session_id": running.session_id})
        oom_before = self._oom_before
        self._sandbox.start_usage()
        ending = await self._carry_out(task, console, recorder, calls)
        cpu_s, peak = self._sandbox.usage()
        exit_code = await self._bury(console) if console.dead else None
        claimed_cpu = ending.claim.get("cpu_s") if ending.claim else 0.0
        verdict = Verdict(
            ending,
            oom_killed=self._was_killed(console, ending, oom_before),
            exit_code=exit_code,
            limits=self._sandbox.limits,
            timeout_s=task.timeout_s,
        )
        return summarize(
            running,
            recorder,
            verdict,
            claim=ending.claim,
            state_kept=not (console.dead or lost),
            files=await self._changed_files(ending, task.return_files),
            usage=Usage(cpu_s if cpu_s is not None else number(claimed_cpu, 0, _LONGEST_S), peak),
            timings=Timings(),
        )

    def pass_over_oom_kills(self) -> None:
        """What was killed until now for want of memory is not what the next one will have died of."""
        self._oom_before = max(self._oom_before, oom_kills(self._sandbox))

    def kill(self) -> None:
        """Kill the one that there is, at once."""
        if self._console is not None:
            self._console.kill()

    def close(self) -> None:
        """Let go of it."""
        if self._console is not None:
            self._console.close()

    async def _carry_out(self, task: Task, console: Console, recorder: Recorder, calls: ToolCalls) -> Ending:
        results_bytes = self._sandbox.limits.results_bytes
        request = {"session_env": self._env_vars, "results_bytes": results_bytes, **task.request()}
        try:
            return await console.run(
                request, task.tail(), recorder, calls, timeout_s=task.timeout_s, grace_s=task.grace_s
            )
        finally:
            calls.close()

    def _was_killed(self, console: Console, ending: Ending, oom_before: int) -> bool:
        claimed = ending.claim.get("error") if ending.claim else None
        if console.dead or (isinstance(claimed, dict) and claimed.get("name") == "MemoryError"):
            self._oom_before = self._sandbox.oom_kills()
        return self._oom_before > oom_before

    async def _bury(self, console: Console) -> int | None:
        # What the interpreter has started must not outlive it: the next one begins with an empty house.
        self._console = None
        exit_code = await console.exit_code()
        console.close()
        try:
            await self._guarded.ask("sweep")
        except SessionNotFound:
            pass  # whoever ended it wants no next one
        except AgentRefused as exc:
            await self._sandbox.aclose()
            raise SandboxFailed(f"the sandbox could not be swept: {exc}") from None
        return exit_code

    async def _changed_files(self, ending: Ending, globs: Sequence[str]) -> list[FileInfo]:
        if self._guarded.end is None:
            with contextlib.suppress(SessionNotFound):  # ended in the midst of it
                return await self._changes.collect(ending.claim, globs, self._sandbox.limits.results_bytes)
        return []
