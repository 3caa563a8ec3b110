"""Bytes on their way into blobs, within what each owner may store."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager

from anyio import CancelScope

from ..errors import TooLarge
from .blobs import Upload
from .database import Database, Records, Transaction
from .quota import Quota

_PIECE = 1 << 20


class Uploads(Records):
    """Counts the bytes of each owner: those that are stored, and those that are still coming."""

    def __init__(self, database: Database, quota: Quota) -> None:
        super().__init__(database)
        self._quota = quota
        self._coming: Counter[str] = Counter()

    @asynccontextmanager
    async def receive(
        self, owner: str, chunks: AsyncIterable[bytes], max_bytes: int, *, replaced: int = 0
    ) -> AsyncIterator[Upload]:
        """Write all chunks to the disk; what is not published within the block is deleted at its end.

        Args:
            replaced: bytes that go when these come.

        Raises:
            TooLarge: after ``max_bytes``.
            QuotaExceeded: when the owner would store more than may be.
        """
        room = await self._quota.left(owner) + replaced
        upload = await self._database.beside(self._database.blobs.begin)
        try:
            piece = bytearray()
            async for chunk in chunks:
                self._count(upload, owner, len(chunk), max_bytes, room)
                piece += chunk
                if len(piece) >= _PIECE:
                    await self._database.beside(upload.append, piece)
                    piece = bytearray()
            await self._database.beside(upload.append, piece)
            yield upload
        finally:
            self._coming[owner] -= upload.size
            self._coming += Counter()  # forgets the owners that have nothing coming
            with CancelScope(shield=True):
                await self._database.beside(upload.discard)

    def room(self, transaction: Transaction, owner: str) -> int:
        """How many bytes more the owner may store."""
        return self._quota.room(transaction, owner)

    def charge(self, transaction: Transaction, owner: str, size: int, *, replaced: int = 0) -> None:
        """Make sure that the owner may store so many bytes more.

        Raises:
            QuotaExceeded: if not.
        """
        self._quota.charge(transaction, owner, size - replaced)

    def _count(self, upload: Upload, owner: str, size: int, max_bytes: int, room: int) -> None:
        upload.size += size
        self._coming[owner] += size
        if upload.size > max_bytes:
            raise TooLarge(
                f"the file has more than {max_bytes} bytes",
                hint="send a smaller one, or have the operator raise upload_bytes",
            )
        self._quota.refuse_over(self._coming[owner], room)
