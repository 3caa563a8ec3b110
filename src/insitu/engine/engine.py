"""The engine: everything that runs code, in one async context manager."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from ..settings import Settings
from ..types import EnvironmentInfo, Execution, Limits
from .admission import Admission, check_variables
from .command import make_command
from .execution import RunningExecution
from .kept import KeptExecutions
from .sandboxes import DEFAULT, Sandboxes
from .session import Session, SessionSpec
from .sessions import Sessions
from .task import Call, Task, ToolSpec
from .undertaking import Undertaking, alone, in_session
from .workspace import NewFile

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Engine:
    """Makes sessions and runs code in them.

    Entering it starts the zygotes and tests the wall; leaving it ends every sandbox.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.layers: Mapping[str, str] = {}
        self._admission = Admission(settings)
        self._sandboxes = Sandboxes(settings, lambda: not self._admission.running)
        self._sessions = Sessions(self._sandboxes, self._admission)
        self._kept = KeptExecutions()
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._sandboxes)
            self.layers = await self._sandboxes.check_wall()
            stack.push_async_callback(self._sessions.end_all, "the server stopped")
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._tasks.cancel_scope.cancel)
            self._tasks.start_soon(self._sandboxes.keep_ready)
            self._tasks.start_soon(self._end_expired)
            self._stack = stack.pop_all()
        self._admission.state = "open"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.state = "closing"
        await self._stack.aclose()
        self._admission.state = "closed"

    @property
    def open(self) -> bool:
        """Whether it takes what is new: until it stops."""
        return self._admission.state == "open"

    @property
    def ready(self) -> bool:
        """Whether it is open, the zygotes are up and the pool is warm."""
        return self.open and self._sandboxes.warm

    @property
    def load(self) -> Mapping[str, int]:
        """Numbers for monitoring: sessions that clients know of and held ones, executions admitted, sandboxes."""
        return {
            **self._sessions.load,
            "executions": self._admission.executions,
            "paused": self._admission.paused.count,
            "pool_ready": self._sandboxes.ready,
            "sandboxes": self._admission.sandboxes + self._sandboxes.ready,
        }

    def has_room(self, owner: str) -> bool:
        """Whether one more execution of an owner, in a session of its own, would be let in now."""
        return self._admission.has_room(owner) and self._sessions.has_room(owner)

    def telling(self, listener: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Call something whenever there may be more room, for as long as the block."""
        return self._admission.telling(listener)

    def environments(self) -> list[EnvironmentInfo]:
        """What code can run in."""
        return self._sandboxes.environments()

    async def create_session(
        self,
        *,
        owner: str = "",
        environment: str | None = None,
        tier: str | None = None,
        limits: Limits | None = None,
        env_vars: Mapping[str, str] = _NOTHING,
        metadata: Mapping[str, str] = _NOTHING,
        ttl_s: float | None = None,
        idle_timeout_s: float | None = None,
        held: bool = False,
    ) -> Session:
        """Make a session.

        Args:
            held: whether it is for the caller alone: it counts as its owner's, but no client is told of it or finds
                it by its id, and it lives until the caller ends it. While the caller sets its ``spare``, it is ended
                where a session of its owner, or then of anybody, has no room otherwise.

        Raises:
            InvalidRequest: for an unknown environment or tier, or an unusable variable.
            QuotaExceeded: if its owner has too many.
            ServerFull: if there are too many.
        """
        check_variables(env_vars)
        spec = SessionSpec(
            owner,
            environment or DEFAULT,
            limits or self._sandboxes.defaults,
            tier,
            env_vars,
            metadata,
            ttl_s=math.inf if held else ttl_s or self.settings.ttl_s,
            idle_timeout_s=math.inf if held else idle_timeout_s or self.settings.idle_timeout_s,
            held=held,
        )
        return await self._sessions.create(spec)

    def session(self, session_id: str, *, owner: str = "") -> Session:
        """Find a session; raises SessionNotFound if it is gone, was never there, is held, or is someone else's."""
        return self._sessions.find(session_id, owner)

    def sessions(self, *, owner: str = "") -> list[Session]:
        """An owner's sessions that are not held, the oldest first."""
        return self._sessions.of(owner)

    def execution(self, execution_id: str, *, owner: str = "") -> RunningExecution:
        """Find an execution whose client has tools of its own, until some minutes after its end; raises NotFound."""
        return self._kept.find(execution_id, owner)

    async def end_session(self, session: Session, reason: str = "it was ended") -> None:
        """End a session; what runs in it is cancelled."""
        await self._sessions.end(session, reason)

    @contextlib.asynccontextmanager
    async def start(
        self,
        session: Session | None,
        what: str | Call,
        *,
        owner: str = "",
        timeout_s: float | None = None,
        limits: Limits | None = None,
        environment: str | None = None,
        tier: str | None = None,
        env_vars: Mapping[str, str] = _NOTHING,
        files: Sequence[NewFile] = (),
        return_files: Sequence[str] = (),
        tools: Sequence[ToolSpec] = (),
        background: bool = False,
    ) -> AsyncIterator[RunningExecution]:
        """Start an execution; leaving the context before its end cancels it, unless it runs in the background.

        One that is paused, since it waits for its client to answer a call of a tool, goes on, too.

        Args:
            session: where to run; None for a fresh sandbox that is destroyed afterwards.
            what: code, or the call of a function.
            timeout_s: wall time in seconds; the session's default without it.
            return_files: globs of the files whose content comes with the result.
            tools: what the code may call; whoever starts it answers, by the events ``tool_call``.

        Raises:
            InvalidRequest: if the code cannot be Python source, or a value is out of range.
            ServerFull: if the queue is full.
        """
        owner, limits = (session.owner, session.limits) if session else (owner, limits or self._sandboxes.defaults)
        timeout_s, settings = limits.timeout_s if timeout_s is None else timeout_s, self.settings
        task = Task(what, timeout_s, settings.grace_s, env_vars, files, return_files, tools, settings.tool_wait_s)
        self._admission.check(task)
        slot = self._admission.slot(owner)
        running = RunningExecution(session.told_id if session else None, slot)
        if session is not None:
            place = in_session(self._sessions, session, session.turn, slot)
        else:
            place = alone(self._sessions, SessionSpec(owner, environment or DEFAULT, limits, tier, held=True), slot)
        work = Undertaking(running, session, owner, place, lambda where, ms: where.execute(running, task, ms))
        with work.under_way(self._admission, self._tasks, background):
            if any(tool.pauses for tool in tools):
                self._kept.add(running, owner)
            yield running

    @contextlib.asynccontextmanager
    async def start_command(
        self,
        session: Session,
        command: str | Sequence[str],
        *,
        timeout_s: float | None = None,
        env_vars: Mapping[str, str] = _NOTHING,
        cwd: str | None = None,
        background: bool = False,
    ) -> AsyncIterator[RunningExecution]:
        """Start a shell command, beside the session's interpreter and its other commands.

        Leaving the context before its end kills it, unless it runs in the background. What it leaves behind when it
        ends lives on with the session; a time-out takes that with it.

        Args:
            command: a line for bash, or for sh where there is no bash; or a program and its arguments.
            timeout_s: wall time in seconds; the session's default without it.
            cwd: the folder that it starts in, relative to the workspace.

        Raises:
            InvalidRequest: if it cannot be a command, or a value is out of range.
            TooLarge: if its arguments and variables have too many bytes.
            QuotaExceeded: if the owner's share or the session's queue is full.
            ServerFull: if the queue is full.
        """
        check_variables(env_vars)
        timeout_s = session.limits.timeout_s if timeout_s is None else timeout_s
        timeout_s = self.settings.within_ceiling("timeout_s", timeout_s)
        made = make_command(command, {**session.env_vars, **env_vars}, cwd, timeout_s)
        slot = self._admission.slot(session.owner)
        running = RunningExecution(session.told_id, slot)
        place = in_session(self._sessions, session, contextlib.nullcontext(), slot)
        work = Undertaking(
            running, session, session.owner, place, lambda where, _: where.execute_command(running, made)
        )
        with work.under_way(self._admission, self._tasks, background):
            yield running

    async def run(self, session: Session | None, what: str | Call, **options: Any) -> Execution:
        """Run code, or call a function, to its end; the options are those of :meth:`start`."""
        async with self.start(session, what, **options) as running:
            return await running.result()

    async def drain(self, timeout_s: float) -> None:
        """Admit nothing more, and wait for what runs, ``timeout_s`` seconds at the most."""
        await self._admission.drain(timeout_s)

    async def _end_expired(self) -> None:
        while True:
            await anyio.sleep(min(1.0, self.settings.idle_timeout_s / 4))
            self._kept.sweep()
            await self._sessions.end_expired()
