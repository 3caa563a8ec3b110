"""Functions: their revisions, versions and aliases. A deployment is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, insert, select, update

from ..errors import Conflict, NotFound, QuotaExceeded
from ..types import LATEST, FunctionInfo, FunctionRevision, FunctionSpec, Limits
from .database import Database, Records, Transaction, reads, writes
from .failures import missing
from .invocations import end_queued, unfinished_revisions
from .queries import owned
from .quota import Quota
from .tables import function_aliases, function_revisions, functions

_MOST_FUNCTIONS, _MOST_VERSIONS, _MOST_ALIASES = 1000, 1000, 1000

_Row = Row[*tuple[Any, ...]]


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
        elif (same := _same(transaction, owner, found.latest, made)) is not None:
            return _publish(transaction, owner, same) if publish else same
        self._quota.charge(transaction, owner, made.code_size)
        _insert(transaction, owner, made)
        transaction.execute(update(functions).where(_named(owner, made.name)).values(latest=made.revision))
        _forget_unnamed(transaction, owner, made.name)
        return _publish(transaction, owner, made) if publish else made

    @writes
    def publish(self, transaction: Transaction, owner: str, name: str, revision: str | None) -> FunctionRevision:
        """Make a version of a revision, by default the newest."""
        wanted = revision or _get(transaction, owner, name).latest
        return _publish(transaction, owner, _revision(transaction, owner, name, function_revisions.c.id == wanted))

    @reads
    def get(self, transaction: Transaction, owner: str, name: str) -> FunctionInfo:
        """One function; its files are without their contents."""
        return _info(transaction, owner, _get(transaction, owner, name))

    @reads
    def list(self, transaction: Transaction, owner: str) -> Sequence[FunctionInfo]:
        """An owner's functions, by their names."""
        query = select(functions).where(functions.c.owner == owner).order_by(functions.c.id)
        return [_info(transaction, owner, row) for row in transaction.execute(query).all()]

    @reads
    def versions(self, transaction: Transaction, owner: str, name: str) -> Sequence[FunctionRevision]:
        """All versions of a function, the oldest first; their files are without their contents."""
        _get(transaction, owner, name)
        query = _revisions(owner, name).where(function_revisions.c.version.is_not(None))
        return [_read(row) for row in transaction.execute(query.order_by(function_revisions.c.version))]

    @reads
    def find(self, transaction: Transaction, owner: str, name: str, qualifier: str | None) -> FunctionRevision:
        """What a qualifier names; its files are without their contents."""
        row = _get(transaction, owner, name)
        if qualifier in (None, "", LATEST):
            return _revision(transaction, owner, name, function_revisions.c.id == row.latest)
        version = _version(transaction, owner, name, str(qualifier))
        return _revision(transaction, owner, name, function_revisions.c.version == version, str(qualifier))

    @reads
    def by_id(self, transaction: Transaction, owner: str, revision: str) -> FunctionRevision:
        """The revision of an id; its files are without their contents."""
        return _read(_row(transaction, owner, revision))

    async def load(self, owner: str, revision: FunctionRevision) -> FunctionRevision:
        """The same revision, with the contents of its files."""
        row = await self._content(owner, revision.revision)
        stored = await self._database.beside(self._database.blobs.open, row.blob, row.code_size)
        packed = b"".join([chunk async for chunk in stored.read()])
        contents, start = {}, 0
        for path, size in row.body["files"]:
            contents[path] = packed[start : start + size]
            start += size
        return replace(revision, spec=replace(revision.spec, files=contents))

    @reads
    def _content(self, transaction: Transaction, owner: str, revision: str) -> _Row:
        return _row(transaction, owner, revision)

    @writes
    def set_alias(self, transaction: Transaction, owner: str, name: str, alias: str, version: int) -> None:
        """Have an alias name a version."""
        _get(transaction, owner, name)
        _revision(transaction, owner, name, function_revisions.c.version == version, str(version))
        transaction.execute(delete(function_aliases).where(_alias(owner, name, alias)))
        if _count(transaction, function_aliases.c.id, _of_alias(owner, name)) >= _MOST_ALIASES:
            raise QuotaExceeded(f"the function has {_MOST_ALIASES} aliases, the most", hint="delete some")
        row = {"id": alias, "owner": owner, "function_id": name, "version": version}
        transaction.execute(insert(function_aliases).inline(), [row])

    @writes
    def delete_alias(self, transaction: Transaction, owner: str, name: str, alias: str) -> None:
        """Delete an alias."""
        _get(transaction, owner, name)
        if not transaction.execute(delete(function_aliases).where(_alias(owner, name, alias))).rowcount:
            raise _no_qualifier(name, alias)

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
            gone = [each.id for each in transaction.execute(_revisions(owner, name)).all()]
            _drop(transaction, owner, gone)
            transaction.execute(delete(functions).where(_named(owner, name)))
        else:
            gone = _unpublish(transaction, owner, name, version, row.latest)
        end_queued(transaction, owner, name, gone if version is not None else None)
        return gone


def _row(transaction: Transaction, owner: str, revision: str) -> _Row:
    query = select(function_revisions).where(owned(function_revisions, revision, owner))
    row = transaction.execute(query).one_or_none()
    if row is None:
        raise missing("revision", revision)
    return row


def _find(transaction: Transaction, owner: str, name: str) -> _Row | None:
    return transaction.execute(select(functions).where(_named(owner, name))).one_or_none()


def _get(transaction: Transaction, owner: str, name: str) -> _Row:
    row = _find(transaction, owner, name)
    if row is None:
        raise missing("function", name)
    return row


def _make(transaction: Transaction, owner: str, made: FunctionRevision) -> None:
    if _count(transaction, functions.c.id, functions.c.owner == owner) >= _MOST_FUNCTIONS:
        raise QuotaExceeded(f"you have {_MOST_FUNCTIONS} functions, the most for one key", hint="delete some")
    row = {"id": made.name, "owner": owner, "created": made.created, "latest": made.revision, "last_version": 0}
    transaction.execute(insert(functions).inline(), [row])


def _insert(transaction: Transaction, owner: str, made: FunctionRevision) -> None:
    row = {
        "id": made.revision,
        "owner": owner,
        "function_id": made.name,
        "created": made.created,
        "version": None,
        "code_sha256": made.code_sha256,
        "code_size": made.code_size,
        "blob": transaction.write(b"".join(made.spec.files.values())),
        "body": _body(made.spec),
    }
    transaction.execute(insert(function_revisions).inline(), [row])


def _publish(transaction: Transaction, owner: str, made: FunctionRevision) -> FunctionRevision:
    if made.version is not None:
        return made
    if _count(transaction, function_revisions.c.version, _of(owner, made.name)) >= _MOST_VERSIONS:
        raise QuotaExceeded(f"the function has {_MOST_VERSIONS} versions, the most", hint="delete some")
    version = _get(transaction, owner, made.name).last_version + 1
    transaction.execute(update(functions).where(_named(owner, made.name)).values(last_version=version))
    numbered = update(function_revisions).where(owned(function_revisions, made.revision, owner))
    transaction.execute(numbered.values(version=version))
    return replace(made, version=version)


def _unpublish(transaction: Transaction, owner: str, name: str, version: int, latest: str) -> list[str]:
    found = _revision(transaction, owner, name, function_revisions.c.version == version, str(version))
    aliases = _aliases(transaction, owner, name)
    if using := [alias for alias, number in aliases.items() if number == version]:
        raise Conflict(
            f"the alias {using[0]!r} names version {version}", hint="delete the alias, or have it name another"
        )
    if found.revision == latest:
        row = owned(function_revisions, latest, owner)
        transaction.execute(update(function_revisions).where(row).values(version=None))
        return []
    _drop(transaction, owner, [found.revision])
    return [found.revision]


def _same(transaction: Transaction, owner: str, latest: str, made: FunctionRevision) -> FunctionRevision | None:
    query = select(function_revisions).where(owned(function_revisions, latest, owner))
    row = transaction.execute(query).one()
    same = row.code_sha256 == made.code_sha256 and row.body == _body(made.spec)
    return replace(made, revision=row.id, version=row.version, created=row.created) if same else None


def _forget_unnamed(transaction: Transaction, owner: str, name: str) -> None:
    """Delete the revisions that nothing names any more, and nobody waits for."""
    row = _get(transaction, owner, name)
    unnamed = _revisions(owner, name).where(
        function_revisions.c.version.is_(None), function_revisions.c.id != row.latest
    )
    waiting = unfinished_revisions(transaction, owner, name)
    _drop(transaction, owner, [each.id for each in transaction.execute(unnamed).all() if each.id not in waiting])


def _drop(transaction: Transaction, owner: str, ids: Iterable[str]) -> None:
    for id in ids:
        query = select(function_revisions.c.blob).where(owned(function_revisions, id, owner))
        transaction.discard(transaction.execute(query).scalars())
        transaction.execute(delete(function_revisions).where(owned(function_revisions, id, owner)))


def _info(transaction: Transaction, owner: str, row: _Row) -> FunctionInfo:
    latest = _revision(transaction, owner, row.id, function_revisions.c.id == row.latest)
    numbers = select(function_revisions.c.version).where(_of(owner, row.id), function_revisions.c.version.is_not(None))
    versions = transaction.execute(numbers.order_by(function_revisions.c.version)).scalars()
    return FunctionInfo(row.id, latest, tuple(versions), _aliases(transaction, owner, row.id), row.created)


def _aliases(transaction: Transaction, owner: str, name: str) -> dict[str, int]:
    query = select(function_aliases.c.id, function_aliases.c.version).where(_of_alias(owner, name))
    return {row.id: row.version for row in transaction.execute(query.order_by(function_aliases.c.id))}


def _version(transaction: Transaction, owner: str, name: str, qualifier: str) -> int:
    if qualifier.isascii() and qualifier.isdigit():
        return min(int(qualifier[:18]), (1 << 31) - 1)
    version = _aliases(transaction, owner, name).get(qualifier)
    if version is None:
        raise _no_qualifier(name, qualifier)
    return version


def _revision(
    transaction: Transaction, owner: str, name: str, which: ColumnElement[bool], called: str | None = None
) -> FunctionRevision:
    row = transaction.execute(_revisions(owner, name).where(which)).one_or_none()
    if row is None:
        _get(transaction, owner, name)
        raise _no_qualifier(name, called or "of this id")
    return _read(row)


def _no_qualifier(name: str, qualifier: str) -> NotFound:
    return NotFound(f"the function {name!r} has no version or alias {qualifier!r}", hint="list its versions")


def _revisions(owner: str, name: str) -> Select[*tuple[Any, ...]]:
    return select(function_revisions).where(_of(owner, name))


def _read(row: _Row) -> FunctionRevision:
    return FunctionRevision(
        row.function_id, row.id, row.version, row.created, row.code_sha256, row.code_size, _spec(row.body)
    )


def _body(spec: FunctionSpec) -> dict[str, Any]:
    body = {field.name: getattr(spec, field.name) for field in fields(spec)}
    limits = spec.limits
    plain = {field.name: getattr(limits, field.name) for field in fields(limits)} if limits else None
    mappings = {name: dict(body[name]) for name in ("env_vars", "metadata", "schema") if body[name] is not None}
    files = [[path, len(content)] for path, content in spec.files.items()]
    return {**body, **mappings, "files": files, "limits": plain}


def _spec(body: Mapping[str, Any]) -> FunctionSpec:
    limits = Limits(**body["limits"]) if body["limits"] else None
    return FunctionSpec(**{**body, "limits": limits, "files": dict.fromkeys((path for path, _ in body["files"]), b"")})


def _count(transaction: Transaction, column: Any, where: ColumnElement[bool]) -> int:
    return int(transaction.execute(select(func.count(column)).where(where)).scalar_one())


def _named(owner: str, name: str) -> ColumnElement[bool]:
    return owned(functions, name, owner)


def _of(owner: str, name: str) -> ColumnElement[bool]:
    return and_(function_revisions.c.owner == owner, function_revisions.c.function_id == name)


def _of_alias(owner: str, name: str) -> ColumnElement[bool]:
    return and_(function_aliases.c.owner == owner, function_aliases.c.function_id == name)


def _alias(owner: str, name: str, alias: str) -> ColumnElement[bool]:
    return and_(_of_alias(owner, name), function_aliases.c.id == alias)
