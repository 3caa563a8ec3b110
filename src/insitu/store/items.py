"""The items that responses and conversations share: stored once, gone with the last that has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from anyio import from_thread
from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, not_, select

from ..errors import TooLarge
from .database import Transaction
from .queries import pieces
from .records import Item
from .sqlite import insert_new, insert_or_replace
from .tables import columns, conversation_items, items, response_items, values

Admit = Callable[[int, int], None]
"""Told how many items there are and how many bytes they have, on the event loop, before any is read; may raise."""
COLUMNS = columns(items, Item)
_ADD = insert_new(items, "owner", "id")
_PUT = insert_or_replace(items, "owner", "id")


def add_items(transaction: Transaction, added: Sequence[Item]) -> None:
    """Insert the items that are not there; those that are stay as they are."""
    if added:
        transaction.execute(_ADD, [values(item) for item in added])


def put_items(transaction: Transaction, put: Sequence[Item]) -> None:
    """Insert or replace items."""
    if put:
        transaction.execute(_PUT, [values(item) for item in put])


def find_items(
    transaction: Transaction, ids: Collection[str], owner: str, most: int, admit: Admit | None = None
) -> dict[str, Item]:
    """What is there of some items, by their ids.

    Raises:
        TooLarge: if it has more than ``most`` bytes.
    """
    query = select(*COLUMNS).where(items.c.owner == owner)
    queries = [query.where(items.c.id.in_(some)) for some in pieces(ids)]
    refuse_large(transaction, queries, most, admit)
    found = (Item(*row) for query in queries for row in transaction.execute(query))
    return {item.id: item for item in found}


def refuse_large(
    transaction: Transaction, queries: Sequence[Select[Any]], most: int, admit: Admit | None = None
) -> None:
    """Refuse to read items that have more than ``most`` bytes together, before any is read.

    Args:
        admit: may refuse them, too.

    Raises:
        TooLarge: if so.
    """
    size = (func.count(), func.coalesce(func.sum(items.c.bytes), 0))
    sizes = [transaction.execute(query.with_only_columns(*size)).one() for query in queries]
    count, total = (sum(each) for each in zip(*sizes, strict=True)) if sizes else (0, 0)
    if total > most:
        raise TooLarge(
            f"the items of the conversation have {total} bytes; at most {most} are read for one answer",
            hint="go on with fewer items, or have the operator raise max_transcript_bytes",
        )
    if admit is not None:
        from_thread.run_sync(admit, count, total)


def drop_unused(transaction: Transaction, ids: Collection[str], owner: str) -> None:
    """Delete those of some items that nothing has any more."""
    for some in pieces(ids):
        transaction.execute(delete(items).where(items.c.owner == owner, items.c.id.in_(some), unused()))


def unused() -> ColumnElement[bool]:
    """Whether no response and no conversation has an item."""
    return and_(
        *(
            not_(exists().where(links.c.owner == items.c.owner, links.c.item_id == items.c.id))
            for links in (response_items, conversation_items)
        )
    )
