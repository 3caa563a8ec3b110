"""Functions as they are told of: with their newest revisions, their versions and their aliases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import and_, func, select

from ..types import FunctionInfo, FunctionRevision
from .database import Transaction
from .queries import take
from .records import Listing, Page
from .revisions import Row, read, rows_of
from .tables import function_aliases, function_revisions, functions

# Of a row that is listed, what counts is what is read: its code is not.
_SIZE = func.length(function_revisions.c.body)


def list_functions(transaction: Transaction, owner: str, page: Page) -> Listing[FunctionInfo]:
    """An owner's functions by their names."""
    latest = and_(function_revisions.c.owner == functions.c.owner, function_revisions.c.id == functions.c.latest)
    query = select(functions).join(function_revisions, latest).where(functions.c.owner == owner)
    behind = query.where(functions.c.id > (page.after or "")).order_by(functions.c.id)
    found = take(transaction, behind, page.limit, _SIZE)
    return Listing(infos(transaction, owner, found.data), found.has_more)


def list_versions(transaction: Transaction, owner: str, name: str, page: Page) -> Listing[FunctionRevision]:
    """The versions of a function by their numbers, which ``page.after`` is one of."""
    number = function_revisions.c.version
    behind = rows_of(owner, name).where(number > int(page.after or 0)).order_by(number)
    found = take(transaction, behind, page.limit, _SIZE)
    return Listing([read(row) for row in found.data], found.has_more)


def infos(transaction: Transaction, owner: str, rows: Sequence[Row]) -> list[FunctionInfo]:
    """What is told of functions: by three look-ups for all of them."""
    names = [row.id for row in rows]
    latest = _newest(transaction, owner, [row.latest for row in rows])
    versions, aliases = _versions(transaction, owner, names), aliases_of(transaction, owner, names)
    return [
        FunctionInfo(row.id, latest[row.latest], tuple(versions[row.id]), aliases[row.id], row.created) for row in rows
    ]


def aliases_of(transaction: Transaction, owner: str, names: Sequence[str]) -> defaultdict[str, dict[str, int]]:
    """The aliases of functions: by the function and the alias, the version that it names."""
    table = function_aliases.c
    query = select(table.function_id, table.id, table.version).where(table.owner == owner, table.function_id.in_(names))
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, alias, version in transaction.execute(query.order_by(table.function_id, table.id)):
        found[name][alias] = version
    return found


def _newest(transaction: Transaction, owner: str, ids: Sequence[str]) -> dict[str, FunctionRevision]:
    query = select(function_revisions).where(function_revisions.c.owner == owner, function_revisions.c.id.in_(ids))
    return {row.id: read(row) for row in transaction.execute(query)}


def _versions(transaction: Transaction, owner: str, names: Sequence[str]) -> defaultdict[str, list[int]]:
    table = function_revisions.c
    query = select(table.function_id, table.version).where(
        table.owner == owner, table.function_id.in_(names), table.version.is_not(None)
    )
    found: defaultdict[str, list[int]] = defaultdict(list)
    for name, version in transaction.execute(query.order_by(table.function_id, table.version)):
        found[name].append(version)
    return found
