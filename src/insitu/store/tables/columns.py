"""What all tables are made of: kinds of columns, what a row counts for, and records as rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import BigInteger, Column, Computed, Dialect, ForeignKeyConstraint, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Json(TypeDecorator[Any]):
    """A JSON value, as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """The value's text, in plain ASCII where orjson has no answer: lone surrogates, huge integers."""
        try:
            return orjson.dumps(value).decode()
        except TypeError:
            return json.dumps(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The text's value."""
        try:
            return orjson.loads(value)
        except ValueError:
            return json.loads(value)


class Names(Json):
    """A tuple of strings, as a JSON list."""

    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The strings."""
        return tuple(super().process_result_value(value, dialect))


metadata = MetaData()


def sequence() -> Column[int]:
    """The order in which rows were made."""
    # SQLite counts in a column of exactly this type.
    return Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


# What a record and a content take on the disk, however small they are.
_ROW_BYTES, _BLOCK_BYTES = 512, 4096


def counted(expression: str) -> Column[int]:
    """What a row counts for among all that its owner stores: some bytes, and what these are beside."""
    # Before what is large: to read what stands behind that, SQLite would read all of it.
    return Column("bytes", BigInteger, Computed(f"{_ROW_BYTES} + {expression}", persisted=True), nullable=False)


def length(column: str) -> str:
    """The bytes of a column, in SQL."""
    return f"length(CAST({column} AS BLOB))"


def blocks(size: str) -> str:
    """The bytes of a file on the disk, in SQL."""
    return f"CASE WHEN {size} < {_BLOCK_BYTES} THEN {_BLOCK_BYTES} ELSE {size} END"


def link(column: str, table: str, ondelete: str | None = None) -> ForeignKeyConstraint:
    """A column that names a row of another table, which is of the same owner."""
    return ForeignKeyConstraint(["owner", column], [f"{table}.owner", f"{table}.id"], ondelete=ondelete)


def columns(table: Table, record: Any) -> Sequence[Column[Any]]:
    """The columns that hold a record's fields, in the record's order."""
    return [table.c[field.name] for field in fields(record)]


def values(record: DataclassInstance) -> dict[str, Any]:
    """A record's fields, as the table takes them."""
    return {field.name: getattr(record, field.name) for field in fields(record)}
