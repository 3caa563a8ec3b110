"""A session: a sandbox with Python state and files that live from execution to execution."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from ..errors import QuotaExceeded, SessionNotFound
from ..isolation.base import Sandbox
from ..types import Execution, Limits, SessionInfo, Timings
from .changes import Changes
from .command import Command
from .execution import RunningExecution
from .guarded import End, GuardedSandbox
from .interpreters import Interpreters
from .listing import Listing
from .process import run_command
from .task import Task
from .workspace import Workspace

_MOST_WAITING = 32


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """What a session is to be.

    Args:
        owner: whoever may use it; nobody else is told that it is there.
        held: whether only whoever has it made uses it: no client is told of it, nor finds it, not even its owner's.
    """

    owner: str
    environment: str
    limits: Limits
    tier: str | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    ttl_s: float = math.inf
    idle_timeout_s: float = math.inf
    held: bool = False


class Session:
    """A sandbox that a client holds, or the server for its own ends.

    Args:
        tier: the tier of the sandbox.

    Executions of code run one after the other: each takes ``turn`` for its time. Commands run beside them. Whoever
    holds a session that only it uses says by ``spare`` that it may be ended where its room is needed.
    """

    def __init__(self, sandbox: Sandbox, spec: SessionSpec, tier: str) -> None:
        self.id = f"sess_{secrets.token_hex(16)}"
        self.owner, self.held = spec.owner, spec.held
        self.spare = False
        listing = Listing()
        self.files = Workspace(self._ask_for_files, listing.note, sandbox.limits.disk_bytes)
        self._sandbox = sandbox
        self._guarded = GuardedSandbox(self.id, sandbox)
        changes = Changes(self._guarded.ask, listing, self.files)
        self._env_vars, self._metadata = dict(spec.env_vars), dict(spec.metadata)
        self._interpreters = Interpreters(sandbox, self._guarded, changes, self._env_vars)
        self._environment, self._tier = spec.environment, tier
        self._ttl_s, self._idle_timeout_s = spec.ttl_s, spec.idle_timeout_s
        self._created = self._last_used = time.time()
        self.turn = anyio.Lock(fast_acquire=True)
        self._current: RunningExecution | None = None
        self._waiting: set[RunningExecution] = set()
        self._executions = 0

    @property
    def limits(self) -> Limits:
        """What it may use."""
        return self._sandbox.limits

    @property
    def env_vars(self) -> Mapping[str, str]:
        """The variables that all of its programs find."""
        return self._env_vars

    @property
    def healthy(self) -> bool:
        """Whether its sandbox is there."""
        return self._sandbox.alive

    @property
    def told_id(self) -> str | None:
        """Its id as clients are told it; None if they could not use it."""
        return None if self.held else self.id

    @property
    def last_used(self) -> float:
        """When it was last used, in seconds since the epoch."""
        return self._last_used

    @property
    def ended(self) -> str | None:
        """Why it ended, if it has."""
        return self._guarded.end.reason if self._guarded.end else None

    def info(self) -> SessionInfo:
        """The session as its owner sees it."""
        return SessionInfo(
            id=self.id,
            environment=self._environment,
            tier=self._tier,
            limits=self.limits,
            layers=self._sandbox.layers,
            created=self._created,
            last_used=self._last_used,
            expires=self.expires,
            idle_timeout_s=self._idle_timeout_s,
            state="busy" if self._waiting else "idle",
            executions=self._executions,
            env_vars=tuple(self._env_vars),
            metadata=dict(self._metadata),
        )

    @property
    def expires(self) -> float:
        """When it ends if nothing more happens, in seconds since the epoch."""
        end = self._created + self._ttl_s
        return end if self._waiting else min(end, self._last_used + self._idle_timeout_s)

    def update(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        ttl_s: float | None = None,
        idle_timeout_s: float | None = None,
    ) -> None:
        """Change what can be changed; ``ttl_s`` counts from now."""
        if metadata is not None:
            self._metadata = dict(metadata)
        if ttl_s is not None:
            self._ttl_s = time.time() - self._created + ttl_s
        if idle_timeout_s is not None:
            self._idle_timeout_s = idle_timeout_s
        self._last_used = time.time()

    async def interrupt(self) -> bool:
        """Interrupt what runs now; False if nothing did."""
        if self._current is None:
            return False
        await self._current.interrupt()
        return True

    def enqueue(self, running: RunningExecution) -> None:
        """Take a place in this session's queue.

        Raises:
            QuotaExceeded: if too many executions wait for it already.
        """
        self._guarded.check_open()
        if len(self._waiting) >= _MOST_WAITING:
            raise QuotaExceeded(
                f"{len(self._waiting)} executions wait for the session {self.id} already",
                hint="executions of one session run one after the other; use several sessions",
            )
        self._waiting.add(running)

    def leave(self, running: RunningExecution) -> None:
        """Give the place back."""
        self._waiting.discard(running)
        self._last_used = time.time()

    async def execute(self, running: RunningExecution, task: Task, sandbox_ms: float = 0.0) -> Execution:
        """Run a task; the caller holds the session's turn.

        Raises:
            InsituError: if it could not be carried out; whatever the code does is in the value.
        """
        self._guarded.check_open()
        queued_ms = _ms_since(running.created) - sandbox_ms
        begun = time.perf_counter()
        for file in task.files:
            await self.files.write(file.path, file.chunks())
        console, lost = await self._interpreters.living()
        sandbox_ms += _ms_since(begun)
        try:
            self._current = running
            execution = await self._interpreters.run(running, task, console, lost)
        finally:
            self._current = None
        self._executions += 1
        return replace(execution, timings=_timings(running, queued_ms, sandbox_ms))

    async def execute_command(self, running: RunningExecution, command: Command) -> Execution:
        """Run a command, beside the interpreter and other commands.

        Raises:
            InsituError: if it could not be carried out; whatever the command does is in the value.
        """
        queued_ms = _ms_since(running.created)
        execution = await run_command(running, self._guarded.living(), command)
        self._interpreters.pass_over_oom_kills()
        self._executions += 1
        return replace(execution, timings=_timings(running, queued_ms, 0.0))

    async def _ask_for_files(self, do: str, tail: bytes = b"", **arguments: Any) -> tuple[dict[str, Any], bytes]:
        self._last_used = time.time()
        return await self._guarded.ask(do, tail, **arguments)

    async def aclose(self, reason: str = "it was ended") -> None:
        """End it: what runs is cancelled, files and state are gone."""
        if self._guarded.end is not None:
            return
        self._guarded.end = end = End(reason, wished=self._sandbox.alive)
        for running in list(self._waiting):
            if end.wished:
                running.stop("cancelled")
            else:
                running.give_up(SessionNotFound(self.id, reason))
        self._interpreters.kill()
        with anyio.CancelScope(shield=True):
            async with self.turn:
                self._interpreters.close()
                await self._sandbox.aclose()


def _timings(running: RunningExecution, queued_ms: float, sandbox_ms: float) -> Timings:
    total_ms = _ms_since(running.created)
    run_ms = total_ms - queued_ms - sandbox_ms
    return Timings(*(round(ms, 3) for ms in (queued_ms, sandbox_ms, run_ms, total_ms)))


def _ms_since(moment: float) -> float:
    return (time.perf_counter() - moment) * 1000
