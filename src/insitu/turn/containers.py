"""Containers: sessions that a conversation finds again by an id, made only when code runs in them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import anyio

from ..engine import Engine, Session
from ..errors import FileMissing, InsituError, NotFound
from ..settings import Settings
from ..store import ContainerFile, ContainerRecord, FileRecord, Page, Store, new_id
from ..types import FileInfo, Limits
from .events import MadeFile

Source = Literal["user", "assistant"]

DEFAULT_EXPIRY_S = 20 * 60.0
# A folder of the server's own making, and no business of clients.
HIDDEN = ".insitu/"
_DEPTH = 8
# Of one owner's.
_MOST_LIVING = 1000


class ContainerExpired(NotFound):
    """Raised when a container's time is over, or it died with its sandbox or its server."""

    code = "container_expired"

    def __init__(self, container_id: str, reason: str = "its time without use was over") -> None:
        super().__init__(
            f"the container {container_id!r} has expired: {reason}",
            hint="its variables and files are gone; make a new one",
        )


class ContainerElsewhere(ContainerExpired):
    """Raised when another server, with the same data folder, holds a container."""

    code = "container_elsewhere"

    def __init__(self, container_id: str) -> None:
        NotFound.__init__(
            self,
            f"the container {container_id!r} lives on another server of this data folder",
            hint="ask that server, or make a new container",
        )


class Container:
    """One container; its session is made when it is first needed.

    Args:
        record: what is stored of it.
        stored: whether it is stored already.
    """

    def __init__(self, parts: Containers, record: ContainerRecord, *, stored: bool) -> None:
        self.record = record
        self._parts = parts
        self._stored = stored
        self._session: Session | None = None
        self._opening = anyio.Lock()
        self._brought: set[str] = set()
        self._contents: list[Mapping[str, tuple[str, bytes]]] = []
        self._figures = 0

    @property
    def id(self) -> str:
        """Its id, which is there before its sandbox is."""
        return self.record.id

    @property
    def limits(self) -> Limits:
        """What code in it may use."""
        return self._parts.limits(self.record.memory_bytes)

    @property
    def expired(self) -> str | None:
        """Why it can no longer be used, if so."""
        if self.record.status != "running":
            return "it was deleted" if self.record.status == "deleted" else "its time without use was over"
        if self.elsewhere:
            return "another server holds it"
        if self.record.server != self._parts.server_id:
            return "the server that held it has stopped"
        if self._session is not None and self._session.ended:
            return self._session.ended
        if self._session is not None and not self._session.healthy:
            return "its sandbox died"
        if self._session is None and self.last_active + self.record.expires_after_s <= time.time():
            return "its time without use was over"
        return None

    @property
    def elsewhere(self) -> bool:
        """Whether it lives, but on another server."""
        server = self.record.server
        return (
            self.record.status == "running"
            and server != self._parts.server_id
            and self._parts.store.servers.alive(server)
        )

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
        return self._session is None and not self.record.file_ids and not any(self._contents)

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
            await self._bring_in(self._session)
            return self._session

    def bring(self, file_ids: Iterable[str]) -> None:
        """Have stored files in the workspace when its session is next used."""
        new = tuple(file_id for file_id in dict.fromkeys(file_ids) if file_id not in self.record.file_ids)
        self.record = replace(self.record, file_ids=(*self.record.file_ids, *new))

    @contextmanager
    def bringing(self, contents: Sequence[tuple[str, bytes]]) -> Iterator[None]:
        """For one turn, have files in the workspace that are stored nowhere, if it is used at all.

        Each is put there once, however often the client sends it again; and again if another sandbox takes the place
        of one that died.

        Args:
            contents: names and bytes.
        """
        held = {_digest(name, content): (name, content) for name, content in contents}
        self._contents.append(held)
        try:
            yield
        finally:
            self._contents = [each for each in self._contents if each is not held]

    async def _bring_in(self, session: Session) -> None:
        for file_id in self.record.file_ids:
            if file_id not in self._brought:
                await self._copy_in(session, await self._parts.store.files.get(file_id, self.record.owner))
                self._brought.add(file_id)
        for digest, (name, content) in [item for held in self._contents for item in held.items()]:
            if digest not in self._brought:
                await self._write(session, name, _once(content), len(content))
                self._brought.add(digest)

    async def _open(self) -> Session:
        settings = self._parts.settings
        session = await self._parts.engine.create_session(
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
                await self._parts.engine.end_session(session, "it could not be written down")
            raise
        return session

    async def save(self) -> None:
        """Store it, so that it is found again.

        Raises:
            QuotaExceeded: if its owner has too many.
        """
        if not self._stored:
            self.record = replace(self.record, last_active=time.time())
            await self._parts.store.containers.add(self.record, _MOST_LIVING)
            self._stored = True
        self._parts.hold(self)

    async def renew_if_lost(self) -> bool:
        """Become another container if it can no longer be used; whether it has."""
        async with self._opening:
            if self.expired is None:
                return False
            self._parts.forget(self)
            if self.record.status == "running" and not self.elsewhere:
                await self._parts.store.containers.save(replace(self.record, status="expired"))
            now = time.time()
            self.record = replace(
                self.record,
                id=new_id("cntr_"),
                created=now,
                last_active=now,
                status="running",
                server=self._parts.server_id,
            )
            self._stored, self._session = False, None
            self._brought.clear()
            return True

    async def add(self, file: FileRecord) -> ContainerFile:
        """Copy a stored file into the workspace."""
        return await self._copy_in(await self.session(), file)

    async def _copy_in(self, session: Session, file: FileRecord) -> ContainerFile:
        stored = await self._parts.store.files.open(file)
        return await self._write(session, file.filename, stored.read(), file.size)

    async def write(self, path: str, chunks: AsyncIterator[bytes], max_bytes: int) -> ContainerFile:
        """Write a file of the user's into the workspace."""
        return await self._write(await self.session(), path, chunks, max_bytes)

    async def _write(self, session: Session, path: str, chunks: AsyncIterator[bytes], most: int) -> ContainerFile:
        info = await session.files.write(path, chunks, max_bytes=most)
        return (await self._note([info], "user"))[0]

    async def made(self, files: Iterable[FileInfo]) -> list[MadeFile]:
        """Take note of files that code has made."""
        by_path = {info.path: info for info in files if not info.path.startswith(HIDDEN)}
        noted = await self._note(by_path.values(), "assistant") if by_path else ()
        return [MadeFile(file.id, self.id, file.path, file.size) for file in noted]

    async def save_figure(self, png: bytes) -> FileInfo | None:
        """Put an image that code has shown into the workspace; None if it does not fit."""
        session = await self.session()
        try:
            return await session.files.write(await self._figure_name(session), _once(png))
        except InsituError:
            return None  # it is shown all the same: the image itself is part of the call's output

    async def _figure_name(self, session: Session) -> str:
        while True:
            self._figures += 1
            name = f"figure-{self._figures}.png"
            try:
                await session.files.stat(name)
            except FileMissing:
                return name

    async def _note(self, files: Iterable[FileInfo], source: Source) -> Sequence[ContainerFile]:
        owner, now = self.record.owner, time.time()
        noted = [ContainerFile(new_id("cfile_"), owner, self.id, now, info.path, info.size, source) for info in files]
        return await self._parts.store.containers.put_files(self.id, owner, noted)

    async def files(self) -> dict[str, FileInfo]:
        """The files of the workspace by their paths; none if its time is over."""
        if self.expired or self.empty:
            return {}
        listing = await (await self.session()).files.list(depth=_DEPTH)
        return {info.path: info for info in listing if info.kind == "file" and not info.path.startswith(HIDDEN)}

    async def delete(self) -> None:
        """End it, and forget it."""
        # A turn that holds it may make another one of it meanwhile.
        self.record = deleted = replace(self.record, status="deleted")
        self._parts.forget(self)
        if self._session is not None:
            await self._parts.engine.end_session(self._session, "its container was deleted")
        await self._parts.store.containers.delete(deleted.id, deleted.owner)


class Containers:
    """All containers of this server."""

    def __init__(self, settings: Settings, engine: Engine, store: Store) -> None:
        self.settings = settings
        self.engine = engine
        self.store = store
        # A record of another server's has no sandbox here.
        self.server_id = store.servers.id
        self._held: dict[str, Container] = {}

    def limits(self, memory_bytes: int | None) -> Limits:
        """The limits of a container that asks for so much memory."""
        return self.settings.limits(memory_bytes=memory_bytes)

    def new(
        self,
        owner: str,
        *,
        name: str = "auto",
        expires_after_s: float = DEFAULT_EXPIRY_S,
        memory_bytes: int | None = None,
        file_ids: Sequence[str] = (),
    ) -> Container:
        """A container that is neither stored nor made before it is used.

        Raises:
            OverCeiling: if it asks for more memory than the operator allows.
        """
        self.limits(memory_bytes)
        now = time.time()
        record = ContainerRecord(
            id=new_id("cntr_"),
            owner=owner,
            created=now,
            last_active=now,
            name=name,
            expires_after_s=expires_after_s,
            memory_bytes=memory_bytes,
            status="running",
            server=self.server_id,
            file_ids=tuple(file_ids),
        )
        return Container(self, record, stored=False)

    async def get(self, container_id: str, owner: str) -> Container:
        """Find a container, expired or not.

        Raises:
            NotFound: if it is not there, or someone else's.
        """
        held = self._held.get(container_id)
        if held is not None and held.record.owner == owner:
            return held
        container = Container(self, await self.store.containers.get(container_id, owner), stored=True)
        # Another request may have found it meanwhile: one container has one session.
        return container if container.expired else self._held.setdefault(container_id, container)

    async def usable(self, container_id: str, owner: str) -> Container:
        """Find a container that can still be used.

        Raises:
            ContainerExpired: if it cannot.
            NotFound: if it is not there, or someone else's.
        """
        container = await self.get(container_id, owner)
        container.require()
        return container

    async def list(self, owner: str, page: Page, name: str | None = None) -> tuple[list[Container], bool]:
        """An owner's containers, and whether there are more."""
        found = await self.store.containers.list(owner, page, name)
        held: Mapping[str, Container] = self._held
        return [held.get(r.id) or Container(self, r, stored=True) for r in found.data], found.has_more

    def hold(self, container: Container) -> None:
        """Keep a container in mind: its session is here and nowhere else."""
        self._held[container.id] = container

    def forget(self, container: Container) -> None:
        """No longer keep it in mind."""
        self._held.pop(container.id, None)

    async def forget_expired(self) -> None:
        """Write down which containers have expired, and when the others were last used."""
        for container in list(self._held.values()):
            record = replace(container.record, last_active=container.last_active)
            if container.expired:
                record = replace(record, status="expired")
                self.forget(container)
            if record != container.record:
                container.record = record
                await self.store.containers.save(record)


def _digest(name: str, content: bytes) -> str:
    return hashlib.sha256(b"%b\0%b" % (name.encode("utf-8", "replace"), content)).hexdigest()


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
