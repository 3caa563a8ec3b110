"""Responses and their items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, and_, delete, insert, select

from .database import Database, Records, Transaction, reads, writes
from .failures import missing
from .items import COLUMNS, Admit, add_items, drop_unused, find_items, put_items, refuse_large
from .queries import owned, read_one
from .records import EventsRecord, Item, ResponseRecord
from .sqlite import insert_or_replace
from .tables import columns, items, response_events, response_items, responses, values

_PUT = insert_or_replace(responses, "owner", "id")
_LINK = insert(response_items).inline()
_RECORD = insert(response_events).inline()
_LINKED = response_items.join(
    items, (items.c.owner == response_items.c.owner) & (items.c.id == response_items.c.item_id)
)


class Responses(Records):
    """Stored responses; look-ups of another owner's raise ``NotFound``, as of those that are not there.

    Args:
        read_bytes: of items that are read at once.
    """

    def __init__(self, database: Database, read_bytes: int) -> None:
        super().__init__(database)
        self._read_bytes = read_bytes

    @writes
    def save(
        self,
        transaction: Transaction,
        record: ResponseRecord,
        inputs: Sequence[Item],
        outputs: Sequence[Item],
        events: Sequence[EventsRecord] = (),
    ) -> None:
        """Insert or replace a response and its items, and add to its recorded stream.

        An input that is stored already stays as it is: clients send back what they were given, without what the
        server alone keeps of it.
        """
        before = _item_ids(transaction, record.id, record.owner)
        transaction.execute(_PUT, [values(record)])
        if before:
            transaction.execute(delete(response_items).where(_of(record.id, record.owner)))
        add_items(transaction, inputs)
        put_items(transaction, outputs)
        if links := _links(record, inputs, outputs):
            transaction.execute(_LINK, links)
        if events:
            transaction.execute(
                _RECORD, [{"owner": record.owner, "response_id": record.id, **values(each)} for each in events]
            )
        drop_unused(transaction, before - {item.id for item in (*inputs, *outputs)}, record.owner)

    @reads
    def get(self, transaction: Transaction, id: str, owner: str) -> ResponseRecord:
        """One response, without its items."""
        return read_one(transaction, responses, ResponseRecord, "response", id, owner)

    @reads
    def events(self, transaction: Transaction, id: str, owner: str, number: int) -> EventsRecord | None:
        """The part of a response's recorded stream that an event of this number is in, or would be."""
        mine = and_(response_events.c.owner == owner, response_events.c.response_id == id)
        query = select(*columns(response_events, EventsRecord)).where(mine, response_events.c.first <= number)
        row = transaction.execute(query.order_by(response_events.c.first.desc()).limit(1)).one_or_none()
        return EventsRecord(*row) if row else None

    @reads
    def inputs(self, transaction: Transaction, id: str, owner: str) -> list[Item]:
        """The items that a response was asked with, in their order."""
        return _items(transaction, id, owner, output=False)

    @reads
    def outputs(self, transaction: Transaction, id: str, owner: str) -> list[Item]:
        """The items that a response was answered with, in their order."""
        return _items(transaction, id, owner, output=True)

    @reads
    def history(self, transaction: Transaction, id: str, owner: str, admit: Admit | None = None) -> list[Item]:
        """Inputs and outputs of a response and of all that it goes on from, oldest first.

        Args:
            admit: what it raises is raised, and nothing is read.

        Raises:
            NotFound: naming the response of the chain that is gone.
            TooLarge: if they are more than is read at once.
        """
        ends_here = select(responses.c.id, responses.c.previous_id).where(responses.c.owner == owner)
        chain = ends_here.where(responses.c.id == id).cte("chain", recursive=True)
        # Not UNION ALL, which would never end if a chain closed upon itself.
        chain = chain.union(ends_here.where(responses.c.id == chain.c.previous_id))
        rows = transaction.execute(select(chain.c.id, chain.c.previous_id))
        order = _walk({row.id: row.previous_id for row in rows}, id)
        linked = _LINKED.join(chain, chain.c.id == response_items.c.response_id)
        query = select(response_items.c.response_id, *COLUMNS).select_from(linked)
        query = query.where(response_items.c.owner == owner)
        refuse_large(transaction, [query], self._read_bytes, admit)
        by_response = defaultdict(list)
        for response_id, *item in transaction.execute(
            query.order_by(response_items.c.output, response_items.c.position)
        ):
            by_response[response_id].append(Item(*item))
        return [item for response_id in reversed(order) for item in by_response[response_id]]

    @reads
    def items(
        self, transaction: Transaction, ids: Collection[str], owner: str, admit: Admit | None = None
    ) -> dict[str, Item]:
        """What is there of some items, by their ids.

        Args:
            admit: what it raises is raised, and nothing is read.

        Raises:
            TooLarge: if they are more than is read at once.
        """
        return find_items(transaction, ids, owner, self._read_bytes, admit)

    @writes
    def put_items(self, transaction: Transaction, items: Sequence[Item]) -> None:
        """Insert or replace items that belong to no response."""
        put_items(transaction, items)

    @writes
    def delete(self, transaction: Transaction, id: str, owner: str) -> None:
        """Delete a response, and those of its items that nothing else has."""
        ids = _item_ids(transaction, id, owner)
        if not transaction.execute(delete(responses).where(owned(responses, id, owner))).rowcount:
            raise missing("response", id)
        drop_unused(transaction, ids, owner)


def _of(id: str, owner: str) -> ColumnElement[bool]:
    return and_(response_items.c.owner == owner, response_items.c.response_id == id)


def _item_ids(transaction: Transaction, id: str, owner: str) -> set[str]:
    return set(transaction.execute(select(response_items.c.item_id).where(_of(id, owner))).scalars())


def _items(transaction: Transaction, id: str, owner: str, *, output: bool) -> list[Item]:
    query = select(*COLUMNS).select_from(_LINKED).where(_of(id, owner), response_items.c.output.is_(output))
    found = [Item(*row) for row in transaction.execute(query.order_by(response_items.c.position))]
    if not found:
        read_one(transaction, responses, ResponseRecord, "response", id, owner)
    return found


def _walk(previous: dict[str, str | None], id: str) -> list[str]:
    order: list[str] = []
    following: str | None = id
    while following is not None:
        if following not in previous:
            raise missing("response", following)
        order.append(following)
        following = previous.pop(following)
    return order


def _links(record: ResponseRecord, inputs: Sequence[Item], outputs: Sequence[Item]) -> list[dict[str, object]]:
    return [
        {
            "owner": record.owner,
            "response_id": record.id,
            "output": output,
            "position": position,
            "item_id": item.id,
        }
        for output, some in ((False, inputs), (True, outputs))
        for position, item in enumerate(some)
    ]
