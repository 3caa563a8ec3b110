"""Functions: their revisions, versions and aliases. A deployment is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, delete, func, insert, select, update

from ..errors import Conflict, QuotaExceeded
from ..types import LATEST, FunctionInfo, FunctionRevision
from .code import CodeFile, code_files
from .database import Database, Records, Transaction, reads, writes
from .failures import missing
from .infos import aliases_of, infos, list_functions, list_versions
from .invocations import end_queued, unfinished_revisions
from .queries import owned
from .quota import Quota
from .records import Listing, Page
from .revisions import (
    Row,
    drop,
    find_revision,
    ids_of,
    insert_revision,
    no_qualifier,
    read,
    row_of,
    same,
    set_version,
)
from .tables import function_aliases, function_revisions, functions

_MOST_FUNCTIONS, _MOST_ALIASES = 1000, 1000


class Functions(Records):
    """Functions; look-ups of another owner's raise ``NotFound``, as of those that are not there."""

    def __init__(self, database: Database, quota: Quota) -> None:
        super().__init__(database)
        self._quota = quota

    @writes
    def deploy(
        self,
        transaction: Transaction,
        owner: str,
        made: FunctionRevision,
        *,
        publish: bool,
        only: Literal["new", "existing"] | None = None,
    ) -> FunctionRevision:
        """Have a revision be a function's newest; the same again changes nothing.

        Raises:
            Conflict: if the function is there and must be new.
            NotFound: if it is not and must be.
            QuotaExceeded: when the owner has too many, or would store more than may be.
        """
        found = _find(transaction, owner, made.name)
        if found is None:
            if only == "existing":
                raise missing("function", made.name)
            _make(transaction, owner, made)
        elif only == "new":
            raise Conflict(f"there is a function {made.name!r} already", hint="deploy a new revision of it")
        elif (there := same(row_of(transaction, owner, found.latest), made)) is not None:
            return _publish(transaction, owner, there) if publish else there
        self._quota.charge(transaction, owner, made.code_size)
        insert_revision(transaction, owner, made)
        transaction.execute(update(functions).where(_named(owner, made.name)).values(latest=made.revision))
        _forget_unnamed(transaction, owner, made)
        return _publish(transaction, owner, made) if publish else made

    @writes
    def publish(self, transaction: Transaction, owner: str, name: str, revision: str | None) -> FunctionRevision:
        """Make a version of a revision, by default the newest."""
        wanted = revision or _get(transaction, owner, name).latest
        found = find_revision(transaction, owner, name, function_revisions.c.id == wanted, wanted)
        return _publish(transaction, owner, found)

    @reads
    def get(self, transaction: Transaction, owner: str, name: str) -> FunctionInfo:
        """One function; its files are without their contents."""
        [info] = infos(transaction, owner, [_get(transaction, owner, name)])
        return info

    @reads
    def list(self, transaction: Transaction, owner: str, page: Page) -> Listing[FunctionInfo]:
        """An owner's functions by their names, those behind ``page.after``."""
        return list_functions(transaction, owner, page)

    @reads
    def versions(self, transaction: Transaction, owner: str, name: str, page: Page) -> Listing[FunctionRevision]:
        """The versions of a function by their numbers, those behind ``page.after``; their files without contents."""
        _get(transaction, owner, name)
        return list_versions(transaction, owner, name, page)

    @reads
    def find(self, transaction: Transaction, owner: str, name: str, qualifier: str | None) -> FunctionRevision:
        """What a qualifier names; its files are without their contents."""
        row = _get(transaction, owner, name)
        if qualifier in (None, "", LATEST):
            return read(row_of(transaction, owner, row.latest))
        version = _version(transaction, owner, name, str(qualifier))
        return find_revision(transaction, owner, name, function_revisions.c.version == version, str(qualifier))

    @reads
    def by_id(self, transaction: Transaction, owner: str, revision: str) -> FunctionRevision:
        """The revision of an id; its files are without their contents."""
        return read(row_of(transaction, owner, revision))

    async def files(self, owner: str, revision: FunctionRevision) -> Sequence[CodeFile]:
        """The files of a revision, which are read when they are used."""
        row = await self._row(owner, revision.revision)
        stored = await self._database.beside(self._database.blobs.open, row.blob, row.code_size)
        return list(code_files(stored, row.body["files"]))

    @reads
    def _row(self, transaction: Transaction, owner: str, revision: str) -> Row:
        return row_of(transaction, owner, revision)

    @writes
    def set_alias(
        self, transaction: Transaction, owner: str, name: str, alias: str, version: int, *, new: bool
    ) -> None:
        """Have an alias name a version.

        Raises:
            Conflict: if the alias is there and must be new.
            QuotaExceeded: if the function has too many.
        """
        _get(transaction, owner, name)
        find_revision(transaction, owner, name, function_revisions.c.version == version, str(version))
        if transaction.execute(delete(function_aliases).where(_alias(owner, name, alias))).rowcount and new:
            raise Conflict(f"the function {name!r} has an alias {alias!r} already")
        if _count(transaction, function_aliases.c.id, _of_alias(owner, name)) >= _MOST_ALIASES:
            raise QuotaExceeded(f"the function has {_MOST_ALIASES} aliases, the most", hint="delete some")
        row = {"id": alias, "owner": owner, "function_id": name, "version": version}
        transaction.execute(insert(function_aliases).inline(), [row])

    @writes
    def delete_alias(self, transaction: Transaction, owner: str, name: str, alias: str) -> None:
        """Delete an alias."""
        _get(transaction, owner, name)
        if not transaction.execute(delete(function_aliases).where(_alias(owner, name, alias))).rowcount:
            raise no_qualifier(name, alias)

    @writes
    def delete(self, transaction: Transaction, owner: str, name: str, version: int | None) -> Sequence[str]:
        """Delete a function or a version; what waits to run of it is told so.

        Returns:
            the ids of the revisions that are gone: the newest stays, without a number.

        Raises:
            Conflict: if an alias names the version.
        """
        row = _get(transaction, owner, name)
        if version is None:
            gone = ids_of(transaction, owner, name)
            drop(transaction, owner, gone)
            transaction.execute(delete(functions).where(_named(owner, name)))
        else:
            gone = _unpublish(transaction, owner, name, version, row.latest)
        end_queued(transaction, owner, name, gone if version is not None else None)
        return gone


def _find(transaction: Transaction, owner: str, name: str) -> Row | None:
    return transaction.execute(select(functions).where(_named(owner, name))).one_or_none()


def _get(transaction: Transaction, owner: str, name: str) -> Row:
    row = _find(transaction, owner, name)
    if row is None:
        raise missing("function", name)
    return row


def _make(transaction: Transaction, owner: str, made: FunctionRevision) -> None:
    if _count(transaction, functions.c.id, functions.c.owner == owner) >= _MOST_FUNCTIONS:
        raise QuotaExceeded(f"you have {_MOST_FUNCTIONS} functions, the most for one key", hint="delete some")
    row = {"id": made.name, "owner": owner, "created": made.created, "latest": made.revision, "last_version": 0}
    transaction.execute(insert(functions).inline(), [row])


def _publish(transaction: Transaction, owner: str, made: FunctionRevision) -> FunctionRevision:
    if made.version is not None:
        return made
    version = _get(transaction, owner, made.name).last_version + 1
    transaction.execute(update(functions).where(_named(owner, made.name)).values(last_version=version))
    return set_version(transaction, owner, made, version)


def _unpublish(transaction: Transaction, owner: str, name: str, version: int, latest: str) -> list[str]:
    found = find_revision(transaction, owner, name, function_revisions.c.version == version, str(version))
    aliases = aliases_of(transaction, owner, [name])[name]
    if using := [alias for alias, number in aliases.items() if number == version]:
        raise Conflict(
            f"the alias {using[0]!r} names version {version}", hint="delete the alias, or have it name another"
        )
    if found.revision == latest:
        set_version(transaction, owner, found, None)
        return []
    drop(transaction, owner, [found.revision])
    return [found.revision]


def _forget_unnamed(transaction: Transaction, owner: str, latest: FunctionRevision) -> None:
    """Delete the revisions that nothing names any more, and nobody waits for."""
    unnamed = ids_of(transaction, owner, latest.name, function_revisions.c.version.is_(None))
    drop(transaction, owner, {*unnamed} - {latest.revision} - unfinished_revisions(transaction, owner, latest.name))


def _version(transaction: Transaction, owner: str, name: str, qualifier: str) -> int:
    if qualifier.isascii() and qualifier.isdigit():
        return min(int(qualifier[:18]), (1 << 31) - 1)
    version = aliases_of(transaction, owner, [name])[name].get(qualifier)
    if version is None:
        raise no_qualifier(name, qualifier)
    return version


def _count(transaction: Transaction, column: Any, where: ColumnElement[bool]) -> int:
    return int(transaction.execute(select(func.count(column)).where(where)).scalar_one())


def _named(owner: str, name: str) -> ColumnElement[bool]:
    return owned(functions, name, owner)


def _of_alias(owner: str, name: str) -> ColumnElement[bool]:
    return and_(function_aliases.c.owner == owner, function_aliases.c.function_id == name)


def _alias(owner: str, name: str, alias: str) -> ColumnElement[bool]:
    return and_(_of_alias(owner, name), function_aliases.c.id == alias)
