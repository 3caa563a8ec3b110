"""What has had its time is deleted, a little at once, so that nobody waits for long."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, ColumnElement, Table, delete, or_, select, tuple_

from .database import Records, Transaction, writes
from .items import unused
from .tables import container_files, containers, files, invocations, items, responses

_AT_ONCE = 200

Keys = Sequence[tuple[str, str]]


class Purge(Records):
    """Deletes what is older than the retention, or has expired."""

    async def all(self, before: float, now: float) -> None:
        """Delete what was last in use before a time, and what expires until now; in seconds since the epoch."""
        while await self._some(before, now):
            pass

    @writes
    def _some(self, transaction: Transaction, before: float, now: float) -> bool:
        # The items come after the responses that had them.
        gone = _rows(transaction, responses, responses.c.created < before)
        _delete(transaction, responses, gone)
        unclaimed = _rows(transaction, items, items.c.created < before, unused())
        _delete(transaction, items, unclaimed)
        expired = _rows(transaction, files, or_(files.c.created < before, files.c.expires <= now))
        _discard(transaction, files.c.id, expired)
        _delete(transaction, files, expired)
        idle = _rows(transaction, containers, containers.c.last_active < before)
        _discard(transaction, container_files.c.container_id, idle)
        _delete(transaction, containers, idle)
        told = _rows(transaction, invocations, invocations.c.created < before, invocations.c.state == "done")
        _delete(transaction, invocations, told)
        return any(map(len, (gone, unclaimed, expired, idle, told)))


def _rows(transaction: Transaction, table: Table, *conditions: ColumnElement[bool]) -> Keys:
    query = select(table.c.owner, table.c.id).where(*conditions).limit(_AT_ONCE)
    return [(owner, id) for owner, id in transaction.execute(query)]


def _delete(transaction: Transaction, table: Table, keys: Keys) -> None:
    if keys:
        transaction.execute(delete(table).where(tuple_(table.c.owner, table.c.id).in_(keys)))


def _discard(transaction: Transaction, id: Column[str], keys: Keys) -> None:
    table = id.table
    query = select(table.c.blob).where(tuple_(table.c.owner, id).in_(keys))
    transaction.discard(transaction.execute(query).scalars())
