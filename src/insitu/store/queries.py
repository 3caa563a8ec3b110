"""The look-ups that all records share: one by its id, and listings in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, takewhile
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Row, Select, Table, and_, select, tuple_

from .database import Transaction
from .failures import missing
from .records import Listing, Page
from .tables import columns

T = TypeVar("T")
# A page of large rows ends early.
PAGE_BYTES = 32 << 20

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
    size: ColumnElement[int] | None = None,
) -> Listing[T]:
    """The part of a query's rows that a page asks for.

    Args:
        query: the rows of the whole listing, in which a column is named id.
        kind: what to make of each row.
        name: what to call one that is missing.
        keys: the columns of the order; together they are unique.
        size: the column of the rows' bytes, where they can be so large that the page ends before its limit.

    Raises:
        NotFound: if the listing has no ``page.after``.
    """
    descending = page.order == "desc"
    rows = query.order_by(*(key.desc() if descending else key.asc() for key in keys))
    if page.after is not None:
        here = query.with_only_columns(*keys).where(query.selected_columns.id == page.after)
        position = transaction.execute(here).one_or_none()
        if position is None:
            raise missing(name, page.after)
        behind = tuple_(*keys) < tuple(position) if descending else tuple_(*keys) > tuple(position)
        rows = rows.where(behind)
    found = take(transaction, rows, page.limit, size)
    return Listing([kind(*row) for row in found.data], found.has_more)


def take(
    transaction: Transaction, query: Select[Any], limit: int, size: ColumnElement[int] | None = None
) -> Listing[Row[*tuple[Any, ...]]]:
    """The first rows of a query.

    Args:
        size: the bytes of a row, where they can be so large that the part ends before its limit.
    """
    if size is not None:
        sizes = query.with_only_columns(size).limit(limit)
        limit = min(limit, _fitting(transaction.execute(sizes).scalars()))
    found = transaction.execute(query.limit(limit + 1)).all()
    return Listing(list(found[:limit]), len(found) > limit)


def _fitting(sizes: Iterable[int]) -> int:
    """How many rows have room in a page: at least one."""
    totals = accumulate(sizes)
    return max(1, sum(1 for _ in takewhile(lambda total: total <= PAGE_BYTES, totals)))
