"""A container's files: those of its workspace while it lives, and what is kept of them afterwards."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..engine import Session
from ..errors import FileMissing, PathRefused, SandboxFailed, SessionNotFound
from ..store import ContainerFile, Listing, Page, Store, missing, new_id
from ..types import FileInfo
from .container import Container
from .expiry import ContainerExpired

_MANY = 1000
# However it is told, there is no workspace to look into.
GONE = (ContainerExpired, SandboxFailed, SessionNotFound)


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes.

    Args:
        read: yields them from the first position up to the second.
    """

    path: str
    size: int
    read: Callable[[int, int], AsyncIterator[bytes]]

    async def whole(self) -> bytes:
        """All of them."""
        return b"".join([chunk async for chunk in self.read(0, self.size)])


class ContainerFiles:
    """The files of one container, by the ids that clients know them by."""

    def __init__(self, store: Store, container: Container) -> None:
        self._store = store
        self._container = container
        self._owner = container.record.owner

    async def list(self, page: Page) -> Listing[ContainerFile]:
        """A part of its files, in the order in which they were first seen."""
        await self._take_note()
        return await self._store.containers.files(self._container.id, self._owner, page)

    async def get(self, file_id: str) -> ContainerFile:
        """One of its files.

        Raises:
            NotFound: if it is gone, was never there, or is someone else's.
        """
        file = await self._stored(file_id)
        session = await self._living_session()
        if session is None:
            return file
        if (info := await look(session, file.path)) is not None:
            return file if file.size == info.size else (await self._note([info], {file.path: file}))[0]
        if file.blob is None:
            await self._store.containers.delete_file(self._container.id, file_id, self._owner)
            raise missing("container file", file_id)
        return file

    async def delete(self, file_id: str) -> None:
        """Delete one of its files, and what is kept of it.

        Raises:
            NotFound: as of :meth:`get`.
        """
        file = await self._stored(file_id)
        session = await self._living_session()
        if session is not None and await look(session, file.path) is not None:
            await session.files.delete(file.path)
        await self._store.containers.delete_file(self._container.id, file_id, self._owner)

    async def open(self, file_id: str) -> Content:
        """The content of one of its files: as it is now, or as it was kept.

        Raises:
            NotFound: as of :meth:`get`.
            ContainerExpired: if it went with the container.
        """
        file = await self._stored(file_id)
        session = await self._living_session()
        if session is not None and (info := await look(session, file.path)) is not None:
            return Content(file.path, info.size, partial(session.files.read, file.path))
        if file.blob is not None:
            kept = await self._store.containers.open(file)
            return Content(file.path, kept.size, kept.read)
        self._container.require()
        raise missing("container file", file_id)

    async def _take_note(self) -> None:
        """Give ids to files that have none, and drop those that are neither there nor kept."""
        try:
            found = await self._container.files()
            session = await self._living_session()
        except GONE:
            return
        known = await self._known()
        changed = [info for path, info in found.items() if path not in known or known[path].size != info.size]
        await self._note(changed, known)
        if session is not None:
            for path in known.keys() - found.keys():
                # A listing is bounded in number and in depth: what is not in it may be there.
                if known[path].blob is None and await look(session, path) is None:
                    await self._store.containers.delete_file(self._container.id, known[path].id, self._owner)

    async def _note(self, files: Iterable[FileInfo], known: Mapping[str, ContainerFile]) -> Sequence[ContainerFile]:
        owner, container_id, now = self._owner, self._container.id, time.time()
        noted = [
            replace(known[info.path], size=info.size)
            if info.path in known
            else ContainerFile(new_id("cfile_"), owner, container_id, now, info.path, info.size, "assistant")
            for info in files
        ]
        return await self._store.containers.put_files(container_id, owner, noted) if noted else ()

    async def _stored(self, file_id: str) -> ContainerFile:
        return await self._store.containers.file(self._container.id, file_id, self._owner)

    async def _known(self) -> dict[str, ContainerFile]:
        known: dict[str, ContainerFile] = {}
        last, more = None, True
        while more:
            page = Page(_MANY, last, "asc")
            found = await self._store.containers.files(self._container.id, self._owner, page)
            known |= {file.path: file for file in found.data}
            last, more = found.data[-1].id if found.data else None, found.has_more
        return known

    async def _living_session(self) -> Session | None:
        if self._container.expired or self._container.empty:
            return None
        try:
            return await self._container.session()
        except ContainerExpired:
            return None


async def look(session: Session, path: str) -> FileInfo | None:
    """A file of a workspace as it is now; None if there is none."""
    try:
        info = await session.files.stat(path)
    except (FileMissing, PathRefused, *GONE):
        return None
    return info if info.kind == "file" else None
