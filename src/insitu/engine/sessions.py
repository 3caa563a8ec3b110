"""All sessions of an engine: made where there is room, found by their owners, ended when their time is over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import anyio

from ..errors import QuotaExceeded, ServerFull, SessionNotFound
from .admission import Admission
from .sandboxes import Sandboxes
from .session import Session, SessionSpec


class Sessions:
    """The sessions that are alive, those that clients were told of and those that are held."""

    def __init__(self, sandboxes: Sandboxes, admission: Admission) -> None:
        self._sandboxes, self._admission = sandboxes, admission
        self._sessions: dict[str, Session] = {}

    @property
    def load(self) -> Mapping[str, int]:
        """Numbers for monitoring."""
        held = sum(session.held for session in self._sessions.values())
        return {"sessions": len(self._sessions) - held, "held": held}

    def has_room(self, owner: str) -> bool:
        """Whether there is room for one more, perhaps in the place of a spare one."""
        if not (self._admission.has_session_room(owner) or self._longest_unused(owner)):
            return False
        return self._admission.has_sandbox_room() or self._longest_unused(None) is not None

    async def create(self, spec: SessionSpec) -> Session:
        """Make a session.

        Raises:
            InvalidRequest: for an unknown environment or tier.
            QuotaExceeded: if its owner has too many.
            ServerFull: if there are too many.
        """
        # Before it is made, which takes its time.
        await self._admit(lambda: self._admission.admit_session(spec.owner), QuotaExceeded, [spec.owner])
        try:
            session = await self._open(spec)
        except BaseException:
            self._admission.dismiss_session(spec.owner)
            raise
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str, owner: str) -> Session:
        """Find a session; raises SessionNotFound, also if it is held or someone else's."""
        session = self._sessions.get(session_id)
        if session is None or session.held or session.owner != owner:
            raise SessionNotFound(session_id)
        return session

    def of(self, owner: str) -> list[Session]:
        """An owner's sessions that are not held, the oldest first."""
        return [each for each in self._sessions.values() if each.owner == owner and not each.held]

    async def end(self, session: Session, reason: str) -> None:
        """End a session; what runs in it is cancelled."""
        if self._sessions.pop(session.id, None) is not None:
            self._admission.dismiss_session(session.owner)
            await self._close(session, reason)

    @contextlib.asynccontextmanager
    async def for_one_execution(self, spec: SessionSpec) -> AsyncIterator[Session]:
        """A session that nobody finds, and that ends with the block."""
        session = await self._open(spec)
        try:
            yield session
        finally:
            await self._close(session, "it was for one execution")

    async def end_expired(self) -> None:
        """End those whose time is over, or whose sandbox has died."""
        now = time.time()
        async with anyio.create_task_group() as tasks:
            for session in self._sessions.values():
                if session.expires <= now:
                    tasks.start_soon(self.end, session, "its idle time or ttl was over")
                elif not session.healthy:
                    tasks.start_soon(self.end, session, "its sandbox died")

    async def end_all(self, reason: str) -> None:
        """End every session, whatever becomes of the caller."""
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                for session in self._sessions.values():
                    tasks.start_soon(self.end, session, reason)

    async def _open(self, spec: SessionSpec) -> Session:
        self._sandboxes.check_tier(spec.tier)
        await self._admit(self._admission.admit_sandbox, ServerFull, [spec.owner, None])
        try:
            sandbox = await self._sandboxes.make(spec.environment, spec.limits)
            return Session(sandbox, spec, self._sandboxes.tier)
        except BaseException:
            self._admission.dismiss_sandbox()
            raise

    async def _close(self, session: Session, reason: str) -> None:
        try:
            await session.aclose(reason)
        finally:
            self._admission.dismiss_sandbox()

    async def _admit(
        self, admit: Callable[[], None], full: type[QuotaExceeded | ServerFull], owners: Sequence[str | None]
    ) -> None:
        # What its holder can spare makes room, one after the other: of these owners in turn, None for all.
        while True:
            try:
                return admit()
            except full:
                spare = next(filter(None, map(self._longest_unused, owners)), None)
                if spare is None:
                    raise
                await self.end(spare, "there was need of its room")

    def _longest_unused(self, owner: str | None) -> Session | None:
        spare = (each for each in self._sessions.values() if each.spare and owner in (None, each.owner))
        return min(spare, key=lambda session: session.last_used, default=None)
