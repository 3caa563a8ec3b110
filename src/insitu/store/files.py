"""Uploaded files."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Collection, Sequence

from sqlalchemy import ColumnElement, delete, insert, or_, select

from .blobs import StoredBytes, Upload
from .database import Database, Records, Transaction, reads, writes
from .failures import missing
from .queries import owned, pieces, read_page
from .records import FileDetails, FileRecord, Listing, Page
from .tables import columns, files, values
from .uploads import Uploads


class Files(Records):
    """Uploaded files; look-ups of another owner's raise ``NotFound``, as of those that are gone or have expired."""

    def __init__(self, database: Database, uploads: Uploads) -> None:
        super().__init__(database)
        self._uploads = uploads

    async def add(
        self,
        id: str,
        owner: str,
        filename: str,
        purpose: str,
        mime: str,
        expires: float | None,
        chunks: AsyncIterable[bytes],
        max_bytes: int,
    ) -> FileRecord:
        """Store a file while it comes; see :meth:`receive`.

        Args:
            expires: when it is to be gone, in seconds since the epoch.
        """
        details = FileDetails(filename, purpose, mime, expires)
        return await self.receive(id, owner, chunks, max_bytes, lambda: details)

    async def receive(
        self, id: str, owner: str, chunks: AsyncIterable[bytes], max_bytes: int, describe: Callable[[], FileDetails]
    ) -> FileRecord:
        """Store a file while it comes; of one that fails or is cancelled nothing is left.

        Args:
            describe: asked once all chunks have come: the fields of a form may stand behind its file.

        Raises:
            TooLarge: after ``max_bytes``.
            QuotaExceeded: when the owner would store more than may be.
        """
        async with self._uploads.receive(owner, chunks, max_bytes) as upload:
            about = describe()
            record = FileRecord(
                id=id,
                owner=owner,
                created=time.time(),
                filename=about.filename,
                size=upload.size,
                purpose=about.purpose,
                mime=about.mime,
                expires=about.expires,
                blob=upload.blob,
            )
            await self._insert(record, upload)
        return record

    @writes
    def _insert(self, transaction: Transaction, record: FileRecord, upload: Upload) -> None:
        self._uploads.charge(transaction, record.owner, record.size)
        transaction.execute(insert(files).inline(), [values(record)])
        transaction.publish(upload)

    @reads
    def get(self, transaction: Transaction, id: str, owner: str) -> FileRecord:
        """One file's record."""
        return _get(transaction, id, owner)

    @reads
    def some(self, transaction: Transaction, ids: Collection[str], owner: str) -> Sequence[FileRecord]:
        """What is there of some files, the latest first."""
        query = select(*columns(files, FileRecord)).where(files.c.owner == owner, _lasting())
        found = [row for part in pieces(ids) for row in transaction.execute(query.where(files.c.id.in_(part)))]
        return sorted((FileRecord(*row) for row in found), key=lambda file: file.created, reverse=True)

    @reads
    def list(self, transaction: Transaction, owner: str, page: Page, purpose: str | None = None) -> Listing[FileRecord]:
        """A part of an owner's files, in the order in which they came."""
        query = select(*columns(files, FileRecord)).where(files.c.owner == owner, _lasting())
        if purpose is not None:
            query = query.where(files.c.purpose == purpose)
        return read_page(transaction, query, FileRecord, "file", page, [files.c.created, files.c.seq])

    @writes
    def delete(self, transaction: Transaction, id: str, owner: str) -> None:
        """Delete a file and its content."""
        transaction.discard([_get(transaction, id, owner).blob])
        transaction.execute(delete(files).where(owned(files, id, owner)))

    async def open(self, record: FileRecord) -> StoredBytes:
        """The content of a file."""
        return await self._database.beside(self._database.blobs.open, record.blob, record.size)


def _get(transaction: Transaction, id: str, owner: str) -> FileRecord:
    query = select(*columns(files, FileRecord)).where(owned(files, id, owner), _lasting())
    row = transaction.execute(query).one_or_none()
    if row is None:
        raise missing("file", id)
    return FileRecord(*row)


def _lasting() -> ColumnElement[bool]:
    # What has expired is gone to its owner at once, whenever it is purged.
    return or_(files.c.expires.is_(None), files.c.expires > time.time())
