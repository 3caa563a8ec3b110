"""The workspace of a container: which of its files clients see, their ids, and images that code has shown."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Literal

from ..engine import Session
from ..errors import FileMissing, InsituError
from ..store import ContainerFile, ContainerRecord, Store, new_id
from ..types import FileInfo

Source = Literal["user", "assistant"]

# A folder of the server's own making, and no business of clients.
HIDDEN = ".insitu/"
_DEPTH = 8


async def files_in(session: Session) -> dict[str, FileInfo]:
    """The files of a workspace by their paths."""
    listing = await session.files.list(depth=_DEPTH)
    return {info.path: info for info in listing if info.kind == "file" and not info.path.startswith(HIDDEN)}


async def note(
    store: Store, record: ContainerRecord, files: Iterable[FileInfo], source: Source
) -> Sequence[ContainerFile]:
    """Give ids to files of a container that have come to be; those that have one keep it."""
    owner, now = record.owner, time.time()
    noted = [ContainerFile(new_id("cfile_"), owner, record.id, now, info.path, info.size, source) for info in files]
    return await store.containers.put_files(record.id, owner, noted)


class Figures:
    """Puts images that code has shown into a workspace, each under a number of its own."""

    def __init__(self) -> None:
        self._count = 0

    async def save(self, session: Session, png: bytes) -> FileInfo | None:
        """Put one there; None if it does not fit."""
        try:
            return await session.files.write(await self._free_name(session), once(png))
        except InsituError:
            return None  # it is shown all the same: the image itself is part of the call's output

    async def _free_name(self, session: Session) -> str:
        while True:
            self._count += 1
            name = f"figure-{self._count}.png"
            try:
                await session.files.stat(name)
            except FileMissing:
                return name


async def once(content: bytes) -> AsyncIterator[bytes]:
    """Bytes as the only chunk of a file."""
    yield content
