"""The store: what must last, whatever becomes of the server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import CancelScope
from sqlalchemy import select

from .containers import Containers
from .conversations import Conversations
from .database import Database, Records, Transaction, reads
from .files import Files
from .functions import Functions
from .invocations import Invocations
from .purge import Purge
from .quota import Quota
from .responses import Responses
from .servers import Servers
from .tables import container_files, files, function_revisions
from .uploads import Uploads

_WITH_BLOBS = (files, container_files, function_revisions)


class Store(Records):
    """Records in a database, and bytes in a folder. Several servers may share one.

    Every look-up names the owner; what is someone else's is not there.
    """

    def __init__(
        self, database: Database, servers: Servers, *, bytes_per_owner: int, read_bytes: int, retention_s: float
    ) -> None:
        super().__init__(database)
        self.servers = servers
        self.quota = Quota(database, bytes_per_owner)
        uploads = Uploads(database, self.quota)
        self.responses = Responses(database, read_bytes)
        self.conversations = Conversations(database, self.quota, read_bytes)
        self.containers = Containers(database, uploads)
        self.files = Files(database, uploads)
        self.functions = Functions(database, self.quota)
        self.invocations = Invocations(database, self.quota, servers)
        self._purge = Purge(database)
        self._retention_s = retention_s

    @classmethod
    @asynccontextmanager
    async def open(
        cls, folder: Path, *, bytes_per_owner: int, read_bytes: int, retention_s: float
    ) -> AsyncIterator[Store]:
        """Open a folder's store, or make one; what a crash has left behind is deleted.

        Args:
            bytes_per_owner: bytes of records and content that one owner may store.
            read_bytes: bytes of items that are read for one answer.
            retention_s: seconds after which :meth:`purge` deletes what has no time of its own.

        Raises:
            StoreFailed: if the folder cannot be used, or what is in it is damaged or newer than this insitu.
        """
        database = await Database.open(folder)
        try:
            servers = await database.beside(Servers.join, folder / "servers")
            try:
                store = cls(
                    database, servers, bytes_per_owner=bytes_per_owner, read_bytes=read_bytes, retention_s=retention_s
                )
                await store._sweep()
                yield store
            finally:
                servers.leave()
        finally:
            with CancelScope(shield=True):
                await database.close()

    async def purge(self) -> None:
        """Delete what has expired or is older than the retention; the items of a conversation live as long as it."""
        now = time.time()
        await self._purge.all(now - self._retention_s, now)

    @reads
    def _sweep(self, transaction: Transaction) -> None:
        def known(names: Collection[str]) -> set[str]:
            queries = (select(table.c.blob).where(table.c.blob.in_(names)) for table in _WITH_BLOBS)
            return {blob for query in queries for blob in transaction.execute(query).scalars()}

        self._database.blobs.sweep(known)
