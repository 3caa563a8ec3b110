"""Conversations and their items, which live as long as they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, insert, select, update

from .database import Database, Records, Transaction, reads, writes
from .failures import missing
from .items import COLUMNS, Admit, add_items, drop_unused, refuse_large
from .queries import owned, read_one, read_page
from .quota import Quota
from .records import Conversation, Item, Listing, Page
from .sqlite import insert_new
from .tables import conversation_items, conversations, items, values

_LINK = insert_new(conversation_items, "owner", "conversation_id", "item_id")


class Conversations(Records):
    """Stored conversations; look-ups of another owner's raise ``NotFound``, as of those that are not there.

    Args:
        read_bytes: of items that are read at once.
    """

    def __init__(self, database: Database, quota: Quota, read_bytes: int) -> None:
        super().__init__(database)
        self._quota = quota
        self._read_bytes = read_bytes

    @writes
    def create(self, transaction: Transaction, record: Conversation, items: Sequence[Item]) -> None:
        """Insert a conversation that begins with some items.

        Raises:
            QuotaExceeded: when the owner would store more than may be.
        """
        transaction.execute(insert(conversations).inline(), [values(record)])
        _append(transaction, record.id, record.owner, items)
        self._quota.charge(transaction, record.owner)

    @reads
    def get(self, transaction: Transaction, id: str, owner: str) -> Conversation:
        """One conversation, without its items."""
        return _get(transaction, id, owner)

    @writes
    def update(self, transaction: Transaction, id: str, owner: str, metadata: dict[str, Any]) -> Conversation:
        """Replace the metadata of a conversation."""
        transaction.execute(update(conversations).where(owned(conversations, id, owner)).values(metadata=metadata))
        return _get(transaction, id, owner)

    @writes
    def delete(self, transaction: Transaction, id: str, owner: str) -> None:
        """Delete a conversation, and those of its items that no response has."""
        _get(transaction, id, owner)
        ids = transaction.execute(select(conversation_items.c.item_id).where(_of(id, owner))).scalars().all()
        transaction.execute(delete(conversations).where(owned(conversations, id, owner)))
        drop_unused(transaction, ids, owner)

    @writes
    def append(
        self, transaction: Transaction, id: str, owner: str, items: Sequence[Item], *, admitted: bool = False
    ) -> None:
        """Add items to the end, in their order; those that the conversation has already stay where they are.

        An item that is stored already stays as it is.

        Args:
            admitted: whether it is stored even if the owner has no room for it.

        Raises:
            QuotaExceeded: when the owner would store more than may be.
        """
        _get(transaction, id, owner)
        _append(transaction, id, owner, items)
        if not admitted:
            self._quota.charge(transaction, owner)

    @reads
    def items(self, transaction: Transaction, id: str, owner: str, page: Page) -> Listing[Item]:
        """A part of a conversation's items, in the order in which they were added."""
        _get(transaction, id, owner)
        keys = [conversation_items.c.seq]
        return read_page(transaction, _items(id, owner), Item, "item", page, keys, items.c.bytes)

    @reads
    def all_items(self, transaction: Transaction, id: str, owner: str, admit: Admit | None = None) -> list[Item]:
        """All of a conversation's items, in the order in which they were added.

        Args:
            admit: what it raises is raised, and nothing is read.

        Raises:
            TooLarge: if they are more than is read at once.
        """
        _get(transaction, id, owner)
        query = _items(id, owner)
        refuse_large(transaction, [query], self._read_bytes, admit)
        return [Item(*row) for row in transaction.execute(query.order_by(conversation_items.c.seq))]

    @reads
    def item(self, transaction: Transaction, id: str, item_id: str, owner: str) -> Item:
        """One item of a conversation."""
        _get(transaction, id, owner)
        row = transaction.execute(_items(id, owner).where(items.c.id == item_id)).one_or_none()
        if row is None:
            raise missing("item", item_id)
        return Item(*row)

    @writes
    def remove(self, transaction: Transaction, id: str, item_id: str, owner: str) -> None:
        """Take an item out of a conversation; it goes if no response has it either."""
        _get(transaction, id, owner)
        link = and_(_of(id, owner), conversation_items.c.item_id == item_id)
        if not transaction.execute(delete(conversation_items).where(link)).rowcount:
            raise missing("item", item_id)
        drop_unused(transaction, [item_id], owner)


def _get(transaction: Transaction, id: str, owner: str) -> Conversation:
    return read_one(transaction, conversations, Conversation, "conversation", id, owner)


def _of(id: str, owner: str) -> ColumnElement[bool]:
    return and_(conversation_items.c.owner == owner, conversation_items.c.conversation_id == id)


def _items(id: str, owner: str) -> Select[Any]:
    same = and_(items.c.owner == conversation_items.c.owner, items.c.id == conversation_items.c.item_id)
    return select(*COLUMNS).select_from(conversation_items.join(items, same)).where(_of(id, owner))


def _append(transaction: Transaction, id: str, owner: str, added: Sequence[Item]) -> None:
    add_items(transaction, added)
    links = [{"owner": owner, "conversation_id": id, "item_id": item.id} for item in added]
    if links:
        transaction.execute(_LINK, links)
