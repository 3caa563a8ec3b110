"""Containers and their files."""

from __future__ import annotations

from collections.abc import AsyncIterable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Column, ColumnElement, and_, delete, func, select, update

from ..errors import QuotaExceeded
from .blobs import StoredBytes, Upload
from .database import Database, Records, Transaction, reads, writes
from .failures import gone, missing
from .queries import owned, pieces, read_one, read_page
from .records import ContainerFile, ContainerRecord, Listing, Page
from .sqlite import insert_or_replace
from .tables import columns, container_files, containers, values
from .uploads import Uploads

_PUT = insert_or_replace(containers, "owner", "id")
_PUT_FILE = insert_or_replace(container_files, "owner", "container_id", "path")


class Containers(Records):
    """Container records; look-ups of another owner's raise ``NotFound``, as of those that are not there."""

    def __init__(self, database: Database, uploads: Uploads) -> None:
        super().__init__(database)
        self._uploads = uploads

    @writes
    def save(self, transaction: Transaction, record: ContainerRecord) -> None:
        """Insert or replace a container's record."""
        transaction.execute(_PUT, [values(record)])

    @writes
    def add(self, transaction: Transaction, record: ContainerRecord, most: int) -> None:
        """Insert a container's record.

        Raises:
            QuotaExceeded: when the owner has ``most`` that have not expired, or would store more than may be.
        """
        living = and_(
            containers.c.owner == record.owner,
            containers.c.status == "running",
            containers.c.last_active + containers.c.expires_after_s > record.last_active,
        )
        if transaction.execute(select(func.count()).where(living)).scalar_one() >= most:
            raise QuotaExceeded(
                f"you have {most} containers, the most for one key", hint="delete some that you do not need"
            )
        transaction.execute(_PUT, [values(record)])
        self._uploads.charge(transaction, record.owner, 0)

    @reads
    def get(self, transaction: Transaction, id: str, owner: str) -> ContainerRecord:
        """One container's record."""
        return _get(transaction, id, owner)

    @reads
    def list(
        self, transaction: Transaction, owner: str, page: Page, name: str | None = None
    ) -> Listing[ContainerRecord]:
        """A part of an owner's containers, in the order in which they were made."""
        query = select(*columns(containers, ContainerRecord)).where(containers.c.owner == owner)
        if name is not None:
            query = query.where(containers.c.name == name)
        keys = [containers.c.created, containers.c.seq]
        return read_page(transaction, query, ContainerRecord, "container", page, keys)

    @writes
    def delete(self, transaction: Transaction, id: str, owner: str) -> None:
        """Delete a container's record, its files and what is kept of them."""
        _get(transaction, id, owner)
        transaction.discard(transaction.execute(select(container_files.c.blob).where(_of(id, owner))).scalars())
        transaction.execute(delete(containers).where(owned(containers, id, owner)))

    async def put_file(self, file: ContainerFile) -> ContainerFile:
        """The same as :meth:`put_files`, for one."""
        return (await self.put_files(file.container_id, file.owner, [file]))[0]

    @writes
    def put_files(
        self, transaction: Transaction, container_id: str, owner: str, files: Sequence[ContainerFile]
    ) -> Sequence[ContainerFile]:
        """Note files of a container; those that had the same paths keep their ids and the times they were made.

        What is kept of a file stays only if its size is the same: it is not the file's content any more.
        """
        _get(transaction, container_id, owner)
        known = _files_with(transaction, container_id, owner, container_files.c.path, [file.path for file in files])
        before = {file.path: file for file in known}
        stored = [_noted(file, before.get(file.path)) for file in files]
        if stored:
            transaction.execute(_PUT_FILE, [values(file) for file in stored])
        transaction.discard({file.blob for file in before.values()} - {file.blob for file in stored})
        return stored

    @reads
    def file(self, transaction: Transaction, container_id: str, file_id: str, owner: str) -> ContainerFile:
        """One file's record."""
        return _file(transaction, container_id, file_id, owner)

    @reads
    def find_file(self, transaction: Transaction, file_id: str, owner: str) -> ContainerFile:
        """One file's record, whichever container it is in."""
        return _find_file(transaction, file_id, owner)

    @reads
    def files_of(
        self, transaction: Transaction, container_id: str, owner: str, ids: Collection[str]
    ) -> dict[str, ContainerFile]:
        """What is there of some files, by their ids."""
        found = _files_with(transaction, container_id, owner, container_files.c.id, ids)
        return {file.id: file for file in found}

    @reads
    def files_at(
        self, transaction: Transaction, container_id: str, owner: str, paths: Collection[str]
    ) -> dict[str, ContainerFile]:
        """The files at some paths, where there are any."""
        _get(transaction, container_id, owner)
        found = _files_with(transaction, container_id, owner, container_files.c.path, paths)
        return {file.path: file for file in found}

    @reads
    def files(self, transaction: Transaction, container_id: str, owner: str, page: Page) -> Listing[ContainerFile]:
        """A part of a container's files, in the order in which they were made."""
        _get(transaction, container_id, owner)
        query = select(*columns(container_files, ContainerFile)).where(_of(container_id, owner))
        keys = [container_files.c.created, container_files.c.seq]
        return read_page(transaction, query, ContainerFile, "container file", page, keys)

    @writes
    def delete_file(self, transaction: Transaction, container_id: str, file_id: str, owner: str) -> None:
        """Delete a file's record and what is kept of it."""
        _delete(transaction, [_file(transaction, container_id, file_id, owner)])

    @writes
    def delete_files(self, transaction: Transaction, container_id: str, owner: str, ids: Collection[str]) -> None:
        """The same, of several; those that are gone are passed over."""
        _delete(transaction, _files_with(transaction, container_id, owner, container_files.c.id, ids))

    async def keep(
        self, container_id: str, file_id: str, owner: str, chunks: AsyncIterable[bytes], max_bytes: int
    ) -> ContainerFile:
        """Store a file's content, in the place of what was kept before; nothing changes if it fails.

        Raises:
            TooLarge: after ``max_bytes``.
            QuotaExceeded: when the owner would store more than may be.
        """
        replaced = _kept(await self.file(container_id, file_id, owner))
        async with self._uploads.receive(owner, chunks, max_bytes, replaced=replaced) as upload:
            return await self._keep(container_id, file_id, owner, upload)

    @writes
    def keep_small(
        self, transaction: Transaction, container_id: str, owner: str, contents: Mapping[str, bytes]
    ) -> None:
        """Store the contents of several files at once, in the place of what was kept of them before.

        A file that is gone is passed over, and so is one that the owner has no room for.

        Args:
            contents: by the files' ids.
        """
        room = self._uploads.room(transaction, owner)
        for before in _files_with(transaction, container_id, owner, container_files.c.id, contents):
            content = contents[before.id]
            if len(content) - _kept(before) <= room:
                room -= len(content) - _kept(before)
                _replace_content(transaction, before, len(content), transaction.write(content))

    @writes
    def _keep(
        self, transaction: Transaction, container_id: str, file_id: str, owner: str, upload: Upload
    ) -> ContainerFile:
        before = _file(transaction, container_id, file_id, owner)
        self._uploads.charge(transaction, owner, upload.size, replaced=_kept(before))
        _replace_content(transaction, before, upload.size, upload.blob)
        transaction.publish(upload)
        return replace(before, size=upload.size, blob=upload.blob)

    async def open(self, file: ContainerFile) -> StoredBytes:
        """What is kept of a file's content.

        Raises:
            NotFound: if it was never kept, or is gone.
        """
        if file.blob is None:
            raise gone()
        return await self._database.beside(self._database.blobs.open, file.blob, file.size)


def _get(transaction: Transaction, id: str, owner: str) -> ContainerRecord:
    return read_one(transaction, containers, ContainerRecord, "container", id, owner)


def _of(container_id: str, owner: str) -> ColumnElement[bool]:
    return and_(container_files.c.owner == owner, container_files.c.container_id == container_id)


def _file(transaction: Transaction, container_id: str, file_id: str, owner: str) -> ContainerFile:
    file = _find_file(transaction, file_id, owner)
    if file.container_id != container_id:
        raise missing("container file", file_id)
    return file


def _find_file(transaction: Transaction, file_id: str, owner: str) -> ContainerFile:
    return read_one(transaction, container_files, ContainerFile, "container file", file_id, owner)


def _files_with(
    transaction: Transaction, container_id: str, owner: str, column: Column[str], wanted: Collection[str]
) -> Iterator[ContainerFile]:
    query = select(*columns(container_files, ContainerFile)).where(_of(container_id, owner))
    for some in pieces(wanted):
        yield from (ContainerFile(*row) for row in transaction.execute(query.where(column.in_(some))).all())


def _noted(file: ContainerFile, before: ContainerFile | None) -> ContainerFile:
    if before is None:
        return replace(file, blob=None)
    blob = before.blob if before.size == file.size else None
    return replace(file, id=before.id, created=before.created, blob=blob)


def _replace_content(transaction: Transaction, before: ContainerFile, size: int, blob: str) -> None:
    change = update(container_files).where(owned(container_files, before.id, before.owner))
    transaction.execute(change.values(size=size, blob=blob))
    transaction.discard([before.blob])


def _delete(transaction: Transaction, files: Iterable[ContainerFile]) -> None:
    for file in list(files):
        transaction.discard([file.blob])
        transaction.execute(delete(container_files).where(owned(container_files, file.id, file.owner)))


def _kept(file: ContainerFile) -> int:
    return file.size if file.blob else 0
