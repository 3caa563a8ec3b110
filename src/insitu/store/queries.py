"""The look-ups that all records share: one by its id, and listings in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Select, Table, and_, select, tuple_

from .database import Transaction
from .failures import missing
from .records import Listing, Page
from .tables import columns

T = TypeVar("T")

_AT_ONCE = 500


def owned(table: Table, id: str, owner: str) -> ColumnElement[bool]:
    """Whether a row is the owner's, of this id."""
    return and_(table.c.owner == owner, table.c.id == id)


def pieces(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """Values in lists that a statement can take: it has a bounded number of parameters."""
    every = list(values)
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]


def read_one(transaction: Transaction, table: Table, kind: Callable[..., T], name: str, id: str, owner: str) -> T:
    """The record of an id.

    Args:
        name: what to call one that is missing.

    Raises:
        NotFound: if there is none, or it is someone else's.
    """
    row = transaction.execute(select(*columns(table, kind)).where(owned(table, id, owner))).one_or_none()
    if row is None:
        raise missing(name, id)
    return kind(*row)


def read_page(
    transaction: Transaction,
    query: Select[Any],
    kind: Callable[..., T],
    name: str,
    page: Page,
    keys: Sequence[Column[Any]],
) -> Listing[T]:
    """The part of a query's rows that a page asks for.

    Args:
        query: the rows of the whole listing, in which a column is named id.
        kind: what to make of each row.
        name: what to call one that is missing.
        keys: the columns of the order; together they are unique.

    Raises:
        NotFound: if the listing has no ``page.after``.
    """
    descending = page.order == "desc"
    rows = query.order_by(*(key.desc() if descending else key.asc() for key in keys)).limit(page.limit + 1)
    if page.after is not None:
        here = query.with_only_columns(*keys).where(query.selected_columns.id == page.after)
        position = transaction.execute(here).one_or_none()
        if position is None:
            raise missing(name, page.after)
        behind = tuple_(*keys) < tuple(position) if descending else tuple_(*keys) > tuple(position)
        rows = rows.where(behind)
    found = transaction.execute(rows).all()
    return Listing([kind(*row) for row in found[: page.limit]], len(found) > page.limit)
