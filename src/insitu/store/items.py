"""The items that responses and conversations share: stored once, gone with the last that has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, and_, delete, exists, not_, select

from .database import Transaction
from .queries import pieces
from .records import Item
from .sqlite import insert_new, insert_or_replace
from .tables import columns, conversation_items, items, response_items, values

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


def find_items(transaction: Transaction, ids: Collection[str], owner: str) -> dict[str, Item]:
    """What is there of some items, by their ids."""
    query = select(*COLUMNS).where(items.c.owner == owner)
    found = (Item(*row) for some in pieces(ids) for row in transaction.execute(query.where(items.c.id.in_(some))))
    return {item.id: item for item in found}


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
