"""Sandboxes of functions: kept after an invocation for the next one of the same revision, and of no other."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from ..engine import Engine, Session
from ..settings import Settings
from ..types import FunctionRevision

_log = logging.getLogger("insitu.functions")
_MOST_RETIRED = 10_000


@dataclass(eq=False)
class WarmSandbox:
    """A sandbox of one revision, which belongs to one owner.

    Args:
        fresh: whether the revision's files are still to be put into it.
        made_ms: what it took to make it.
    """

    session: Session
    name: str
    revision: str
    made_ms: float
    fresh: bool = True
    made: float = field(default_factory=time.monotonic)
    used: float = field(default_factory=time.monotonic)


class Warm:
    """The sandboxes of all functions. Those that nothing runs in are bounded; the least recently used goes first."""

    def __init__(self, settings: Settings, engine: Engine, tasks: TaskGroup) -> None:
        self._settings = settings
        self._engine = engine
        self._tasks = tasks
        self._idle: list[WarmSandbox] = []  # the least recently used first
        self._busy: set[WarmSandbox] = set()
        self._retired: dict[str, None] = {}

    async def take(self, owner: str, revision: FunctionRevision) -> WarmSandbox:
        """A sandbox for one invocation.

        Raises:
            QuotaExceeded: if the owner has too many sessions.
            ServerFull: if there is no room.
        """
        sandbox = self._find(owner, revision) or await self._make(owner, revision)
        sandbox.session.spare = False
        self._busy.add(sandbox)
        return sandbox

    def give(self, sandbox: WarmSandbox, *, keep: bool) -> None:
        """Give a sandbox back.

        Args:
            keep: whether another invocation may follow in it.
        """
        self._busy.discard(sandbox)
        if not keep or sandbox.revision in self._retired or sandbox.session.ended is not None:
            return self._end([sandbox])
        sandbox.used = time.monotonic()
        sandbox.session.spare = True  # the engine ends it where there is need of its room
        self._idle.append(sandbox)
        self._end(self._idle[: max(0, len(self._idle) - self._settings.max_warm_sandboxes)])

    def retire(self, revisions: Collection[str]) -> None:
        """End the sandboxes of revisions that are deleted, each once nothing runs in it."""
        self._end([each for each in self._idle if each.revision in revisions])
        # Who was on the way to an invocation then has yet to take a sandbox.
        self._retired.update(dict.fromkeys(revisions))
        for oldest in list(self._retired)[: max(0, len(self._retired) - _MOST_RETIRED)]:
            del self._retired[oldest]

    async def end_idle(self) -> None:
        """End what has not been used for long, again and again."""
        while True:
            await anyio.sleep(min(1.0, self._settings.function_idle_s / 4))
            before = time.monotonic() - self._settings.function_idle_s
            self._end([each for each in self._idle if each.used < before or each.session.ended is not None])

    async def close(self) -> None:
        """End all of them."""
        async with anyio.create_task_group() as tasks:
            for each in (*self._idle, *self._busy):
                tasks.start_soon(self._engine.end_session, each.session, "the server stopped")

    def _find(self, owner: str, revision: FunctionRevision) -> WarmSandbox | None:
        oldest = time.monotonic() - self._settings.ttl_s
        for each in reversed(self._idle):
            if each.revision == revision.revision and each.session.owner == owner:
                self._idle.remove(each)
                if each.session.ended is None and each.session.healthy and each.made > oldest:
                    return each
                self._end([each])
                return self._find(owner, revision)
        return None

    async def _make(self, owner: str, revision: FunctionRevision) -> WarmSandbox:
        begun, spec = time.perf_counter(), revision.spec
        session = await self._engine.create_session(
            owner=owner, environment=spec.environment, limits=spec.limits, env_vars=spec.env_vars, held=True
        )
        return WarmSandbox(session, revision.name, revision.revision, (time.perf_counter() - begun) * 1000)

    def _end(self, sandboxes: Collection[WarmSandbox]) -> None:
        for sandbox in list(sandboxes):
            if sandbox in self._idle:
                self._idle.remove(sandbox)
            self._tasks.start_soon(self._close, sandbox)

    async def _close(self, sandbox: WarmSandbox) -> None:
        try:
            await self._engine.end_session(sandbox.session, "its function needs it no more")
        except Exception:
            _log.exception("a sandbox of the function %s could not be ended", sandbox.name)
