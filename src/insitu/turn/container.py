"""A container: a session that is found again by an id, and made only when code runs in it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import anyio

from ..engine import Engine, Session
from ..settings import Settings
from ..store import ContainerFile, ContainerRecord, FileRecord, Store, new_id
from ..types import FileInfo, Limits
from .bringing import Bringing
from .events import MadeFile
from .expiry import ContainerElsewhere, ContainerExpired, is_elsewhere, why_expired
from .workspace import HIDDEN, Figures, files_in, note

# Of one owner's.
_MOST_LIVING = 1000


@dataclass(frozen=True, slots=True)
class Shared:
    """What the containers of a server have in common.

    Args:
        held: those whose sessions are here and nowhere else, by their ids.
    """

    settings: Settings
    engine: Engine
    store: Store
    held: dict[str, Container]

    @property
    def server_id(self) -> str:
        """The id of this server: a record of another's has no sandbox here."""
        return self.store.servers.id


class Container:
    """One container; its session is made when it is first needed.

    Args:
        record: what is stored of it.
        stored: whether it is stored already.
    """

    def __init__(self, shared: Shared, record: ContainerRecord, *, stored: bool) -> None:
        self.record = record
        self.editing = anyio.Lock(fast_acquire=True)  # who changes a file reads it, and writes it anew
        self._shared = shared
        self._stored = stored
        self._session: Session | None = None
        self._opening = anyio.Lock()
        self._bringing = Bringing(shared.store)
        self._figures = Figures()

    @property
    def id(self) -> str:
        """Its id, which is there before its sandbox is."""
        return self.record.id

    @property
    def limits(self) -> Limits:
        """What code in it may use."""
        return self._shared.settings.limits(memory_bytes=self.record.memory_bytes)

    @property
    def expired(self) -> str | None:
        """Why it can no longer be used, if so."""
        return why_expired(self.record, self._shared.store, self._session)

    @property
    def elsewhere(self) -> bool:
        """Whether it lives, but on another server."""
        return is_elsewhere(self.record, self._shared.store)

    def require(self) -> None:
        """See that it can be used.

        Raises:
            ContainerExpired: if it cannot.
        """
        if (reason := self.expired) is not None:
            raise ContainerElsewhere(self.id) if self.elsewhere else ContainerExpired(self.id, reason)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever put into it: there is no need of a sandbox to look."""
        return self._session is None and not self.record.file_ids and not self._bringing.has_contents

    @property
    def living_session(self) -> Session | None:
        """Its session, if there is one that can be used."""
        return None if self.expired else self._session

    @property
    def last_active(self) -> float:
        """When it was last used, in seconds since the epoch."""
        return self._session.info().last_used if self._session else self.record.last_active

    async def session(self) -> Session:
        """Its session.

        Raises:
            ContainerExpired: if its time is over.
            ServerFull: if there is no room for a sandbox.
        """
        async with self._opening:
            self.require()
            if self._session is None:
                self._session = await self._open()
            await self._bringing.bring_in(self._session, self.record)
            return self._session

    def bring(self, file_ids: Iterable[str]) -> None:
        """Have stored files in the workspace when its session is next used."""
        self.record = replace(self.record, file_ids=tuple(dict.fromkeys((*self.record.file_ids, *file_ids))))

    def bringing(self, contents: Sequence[tuple[str, bytes]]) -> AbstractContextManager[None]:
        """For one turn, have files in the workspace that are stored nowhere, if it is used at all.

        Each is put there once, however often the client sends it again; and again if another sandbox takes the place
        of one that died.

        Args:
            contents: names and bytes.
        """
        return self._bringing.holding(contents)

    async def _open(self) -> Session:
        settings = self._shared.settings
        session = await self._shared.engine.create_session(
            owner=self.record.owner,
            limits=self.limits,
            metadata={"container": self.id},
            idle_timeout_s=min(self.record.expires_after_s, settings.max_idle_timeout_s),
            ttl_s=settings.max_ttl_s,
        )
        try:
            await self.save()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._shared.engine.end_session(session, "it could not be written down")
            raise
        return session

    async def save(self) -> None:
        """Store it, so that it is found again.

        Raises:
            QuotaExceeded: if its owner has too many.
        """
        if not self._stored:
            self.record = replace(self.record, last_active=time.time())
            await self._shared.store.containers.add(self.record, _MOST_LIVING)
            self._stored = True
        self._shared.held[self.id] = self

    async def renew_if_lost(self) -> None:
        """Become another container, with another id, if it can no longer be used."""
        async with self._opening:
            if self.expired is None:
                return
            self._forget()
            if self.record.status == "running" and not self.elsewhere:
                await self._shared.store.containers.save(replace(self.record, status="expired"))
            now = time.time()
            self.record = replace(
                self.record,
                id=new_id("cntr_"),
                created=now,
                last_active=now,
                status="running",
                server=self._shared.server_id,
            )
            self._stored, self._session = False, None
            self._bringing.start_over()

    async def add(self, file: FileRecord) -> ContainerFile:
        """Copy a stored file into the workspace."""
        return await self._bringing.copy(await self.session(), self.record, file)

    async def write(self, path: str, chunks: AsyncIterator[bytes], max_bytes: int) -> ContainerFile:
        """Write a file of the user's into the workspace."""
        return await self._bringing.write(await self.session(), self.record, path, chunks, max_bytes)

    async def made(self, files: Iterable[FileInfo]) -> list[MadeFile]:
        """Take note of files that code has made."""
        by_path = {info.path: info for info in files if not info.path.startswith(HIDDEN)}
        noted = await note(self._shared.store, self.record, by_path.values(), "assistant") if by_path else ()
        return [MadeFile(file.id, self.id, file.path, file.size) for file in noted]

    async def save_figure(self, png: bytes) -> FileInfo | None:
        """Put an image that code has shown into the workspace; None if it does not fit."""
        return await self._figures.save(await self.session(), png)

    async def files(self) -> dict[str, FileInfo]:
        """The files of the workspace by their paths; none if its time is over."""
        if self.expired or self.empty:
            return {}
        return await files_in(await self.session())

    async def delete(self) -> None:
        """End it, and forget it."""
        # A turn that holds it may make another one of it meanwhile.
        self.record = deleted = replace(self.record, status="deleted")
        self._forget()
        if self._session is not None:
            await self._shared.engine.end_session(self._session, "its container was deleted")
        await self._shared.store.containers.delete(deleted.id, deleted.owner)

    def _forget(self) -> None:
        self._shared.held.pop(self.id, None)
