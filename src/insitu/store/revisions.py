"""The rows of revisions: what one deployment of a function has made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Select, and_, delete, func, insert, select, update

from ..errors import NotFound, QuotaExceeded
from ..types import FunctionRevision, FunctionSpec, Limits
from .database import Transaction
from .failures import missing
from .queries import owned
from .tables import function_revisions

Row = sqlalchemy.Row[*tuple[Any, ...]]

_MOST_VERSIONS = 1000


def of_function(owner: str, name: str) -> ColumnElement[bool]:
    """Whether a revision is one of a function's."""
    return and_(function_revisions.c.owner == owner, function_revisions.c.function_id == name)


def rows_of(owner: str, name: str) -> Select[*tuple[Any, ...]]:
    """All revisions of a function."""
    return select(function_revisions).where(of_function(owner, name))


def ids_of(transaction: Transaction, owner: str, name: str, *which: ColumnElement[bool]) -> Sequence[str]:
    """The ids of a function's revisions."""
    query = rows_of(owner, name).with_only_columns(function_revisions.c.id)
    return transaction.execute(query.where(*which)).scalars().all()


def row_of(transaction: Transaction, owner: str, revision: str) -> Row:
    """The revision of an id; raises NotFound."""
    query = select(function_revisions).where(owned(function_revisions, revision, owner))
    row = transaction.execute(query).one_or_none()
    if row is None:
        raise missing("revision", revision)
    return row


def find_revision(
    transaction: Transaction, owner: str, name: str, which: ColumnElement[bool], called: str
) -> FunctionRevision:
    """The one revision of a function that fits.

    Args:
        called: what the caller calls it.

    Raises:
        NotFound: if there is none.
    """
    row = transaction.execute(rows_of(owner, name).where(which)).one_or_none()
    if row is None:
        raise no_qualifier(name, called)
    return read(row)


def no_qualifier(name: str, qualifier: str) -> NotFound:
    """A function has nothing of this name."""
    return NotFound(f"the function {name!r} has no version or alias {qualifier!r}", hint="list its versions")


def insert_revision(transaction: Transaction, owner: str, made: FunctionRevision) -> None:
    """Add a revision, which is no version yet."""
    row = {
        "id": made.revision,
        "owner": owner,
        "function_id": made.name,
        "created": made.created,
        "version": None,
        "code_sha256": made.code_sha256,
        "code_size": made.code_size,
        "blob": transaction.write(*made.spec.files.values()),
        "body": _body(made.spec),
    }
    transaction.execute(insert(function_revisions).inline(), [row])


def same(row: Row, made: FunctionRevision) -> FunctionRevision | None:
    """The revision of a row, if another deployment has made the same; with the contents of its files."""
    alike = row.code_sha256 == made.code_sha256 and row.body == _body(made.spec)
    return replace(made, revision=row.id, version=row.version, created=row.created) if alike else None


def set_version(transaction: Transaction, owner: str, made: FunctionRevision, version: int | None) -> FunctionRevision:
    """Have a revision be a version, or none any more.

    Raises:
        QuotaExceeded: if the function has too many.
    """
    count = select(func.count(function_revisions.c.version)).where(of_function(owner, made.name))
    if version is not None and transaction.execute(count).scalar_one() >= _MOST_VERSIONS:
        raise QuotaExceeded(f"the function has {_MOST_VERSIONS} versions, the most", hint="delete some")
    row = update(function_revisions).where(owned(function_revisions, made.revision, owner))
    transaction.execute(row.values(version=version))
    return replace(made, version=version)


def drop(transaction: Transaction, owner: str, ids: Iterable[str]) -> None:
    """Delete revisions and their code."""
    for id in ids:
        query = select(function_revisions.c.blob).where(owned(function_revisions, id, owner))
        transaction.discard(transaction.execute(query).scalars())
        transaction.execute(delete(function_revisions).where(owned(function_revisions, id, owner)))


def read(row: Row) -> FunctionRevision:
    """The revision of a row; its files are without their contents."""
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
