"""Containers and their files."""

from __future__ import annotations

from collections.abc import AsyncIterable
from dataclasses import replace

from sqlalchemy import ColumnElement, and_, delete, select, update

from .blobs import StoredBytes, Upload
from .database import Database, Records, Transaction, reads, writes
from .failures import gone, missing
from .queries import owned, read_one, read_page
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
    def touch(self, transaction: Transaction, id: str, owner: str, when: float) -> None:
        """Note that a container was active at a time, in seconds since the epoch."""
        change = update(containers).where(owned(containers, id, owner)).values(last_active=when)
        if not transaction.execute(change).rowcount:
            raise missing("container", id)

    @writes
    def delete(self, transaction: Transaction, id: str, owner: str) -> None:
        """Delete a container's record, its files and what is kept of them."""
        _get(transaction, id, owner)
        transaction.discard(transaction.execute(select(container_files.c.blob).where(_of(id, owner))).scalars())
        transaction.execute(delete(containers).where(owned(containers, id, owner)))

    @writes
    def put_file(self, transaction: Transaction, file: ContainerFile) -> ContainerFile:
        """Note a file of a container; one that had the same path keeps its id and the time it was made.

        What is kept of it stays only if its size is the same: it is not the file's content any more.
        """
        _get(transaction, file.container_id, file.owner)
        known = _file_at(transaction, file.container_id, file.path, file.owner)
        stored = replace(file, blob=None)
        if known is not None:
            blob = known.blob if known.size == file.size else None
            stored = replace(file, id=known.id, created=known.created, blob=blob)
            transaction.discard([known.blob] if blob is None else [])
        transaction.execute(_PUT_FILE, [values(stored)])
        return stored

    @reads
    def file(self, transaction: Transaction, container_id: str, file_id: str, owner: str) -> ContainerFile:
        """One file's record."""
        return _file(transaction, container_id, file_id, owner)

    @reads
    def file_at(self, transaction: Transaction, container_id: str, path: str, owner: str) -> ContainerFile | None:
        """The record of the file at a path, if there is one."""
        _get(transaction, container_id, owner)
        return _file_at(transaction, container_id, path, owner)

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
        transaction.discard([_file(transaction, container_id, file_id, owner).blob])
        transaction.execute(delete(container_files).where(owned(container_files, file_id, owner)))

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
    def _keep(
        self, transaction: Transaction, container_id: str, file_id: str, owner: str, upload: Upload
    ) -> ContainerFile:
        before = _file(transaction, container_id, file_id, owner)
        self._uploads.charge(transaction, owner, upload.size, replaced=_kept(before))
        change = update(container_files).where(owned(container_files, file_id, owner))
        transaction.execute(change.values(size=upload.size, blob=upload.blob))
        transaction.publish(upload)
        transaction.discard([before.blob])
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
    file = read_one(transaction, container_files, ContainerFile, "container file", file_id, owner)
    if file.container_id != container_id:
        raise missing("container file", file_id)
    return file


def _file_at(transaction: Transaction, container_id: str, path: str, owner: str) -> ContainerFile | None:
    query = select(*columns(container_files, ContainerFile)).where(
        _of(container_id, owner), container_files.c.path == path
    )
    row = transaction.execute(query).one_or_none()
    return ContainerFile(*row) if row else None


def _kept(file: ContainerFile) -> int:
    return file.size if file.blob else 0
