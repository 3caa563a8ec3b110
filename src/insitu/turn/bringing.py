"""Bringing files of the user's into a container's workspace: at once, or when its session is next used."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

from ..engine import Session
from ..errors import NotFound
from ..heavy import heavy
from ..store import ContainerFile, ContainerRecord, FileRecord, Store
from ..types import FileInfo
from .workspace import note, once


class _Content:
    """A file that is stored nowhere."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content
        self._known = ""

    async def digest(self) -> str:
        """What it is known by; two of one name and content are one."""
        if not self._known:
            self._known = await heavy(len(self.content), _digest, self.name, self.content)
        return self._known


class Bringing:
    """Brings each file into a container's workspace once, and again if another sandbox takes the place of the first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._brought: set[str] = set()
        self._contents: list[Sequence[_Content]] = []

    @property
    def has_contents(self) -> bool:
        """Whether there are files to bring that are stored nowhere."""
        return any(self._contents)

    @contextmanager
    def holding(self, contents: Sequence[tuple[str, bytes]]) -> Iterator[None]:
        """Have files to bring that are stored nowhere; see :meth:`.Container.bringing`."""
        held = [_Content(name, content) for name, content in contents]
        self._contents.append(held)
        try:
            yield
        finally:
            self._contents = [each for each in self._contents if each is not held]

    async def bring_in(self, session: Session, record: ContainerRecord) -> None:
        """Bring what is not there yet: the stored files of a container, and those that are held."""
        written: dict[str, FileInfo] = {}
        try:
            await self._write_stored(session, record, written)
            await self._write_held(session, written)
        finally:
            if written:
                # One note for all: each is a transaction.
                await note(self._store, record, {info.path: info for info in written.values()}.values(), "user")
                self._brought.update(written)

    async def _write_stored(self, session: Session, record: ContainerRecord, written: dict[str, FileInfo]) -> None:
        for file_id in record.file_ids:
            if file_id not in self._brought:
                try:
                    file = await self._store.files.get(file_id, record.owner)
                    stored = await self._store.files.open(file)
                    written[file_id] = await session.files.write(file.filename, stored.read(), max_bytes=file.size)
                except NotFound:
                    self._brought.add(file_id)  # it was deleted meanwhile, or its time is over

    async def _write_held(self, session: Session, written: dict[str, FileInfo]) -> None:
        for held in [each for contents in self._contents for each in contents]:
            digest = await held.digest()
            if digest not in self._brought and digest not in written:
                content = held.content
                written[digest] = await session.files.write(held.name, once(content), max_bytes=len(content))

    async def copy(self, session: Session, record: ContainerRecord, file: FileRecord) -> ContainerFile:
        """Copy a stored file into the workspace."""
        stored = await self._store.files.open(file)
        return await self.write(session, record, file.filename, stored.read(), file.size)

    async def write(
        self, session: Session, record: ContainerRecord, path: str, chunks: AsyncIterator[bytes], max_bytes: int
    ) -> ContainerFile:
        """Write a file into the workspace."""
        info = await session.files.write(path, chunks, max_bytes=max_bytes)
        return (await note(self._store, record, [info], "user"))[0]

    def start_over(self) -> None:
        """Take note that the sandbox is gone, with all that was brought."""
        self._brought.clear()


def _digest(name: str, content: bytes) -> str:
    return hashlib.sha256(b"%b\0%b" % (name.encode("utf-8", "replace"), content)).hexdigest()
