"""The tables. An id is unique among its owner's, so that nobody can take or overwrite another's by naming it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
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


def _sequence() -> Column[int]:
    # SQLite counts in a column of exactly this type.
    return Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


# What a record and a content take on the disk, however small they are.
_ROW_BYTES, _BLOCK_BYTES = 512, 4096


def _bytes(expression: str) -> Column[int]:
    # Before what is large: to read what stands behind that, SQLite would read all of it.
    return Column("bytes", BigInteger, Computed(f"{_ROW_BYTES} + {expression}", persisted=True), nullable=False)


def _length(column: str) -> str:
    return f"length(CAST({column} AS BLOB))"


def _blocks(size: str) -> str:
    return f"CASE WHEN {size} < {_BLOCK_BYTES} THEN {_BLOCK_BYTES} ELSE {size} END"


def _link(column: str, table: str, ondelete: str | None = None) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["owner", column], [f"{table}.owner", f"{table}.id"], ondelete=ondelete)


# What is stored for each owner, counted from the column `bytes` of all other tables.
stored = Table(
    "stored",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
)

responses = Table(
    "responses",
    metadata,
    Column("id", Text, nullable=False),
    _bytes(_length("body")),
    Column("owner", Text, nullable=False),
    Column("created", Double, nullable=False, index=True),
    Column("status", Text, nullable=False),
    Column("body", Json, nullable=False),
    Column("previous_id", Text),
    Column("conversation_id", Text),
    PrimaryKeyConstraint("owner", "id"),
)

response_events = Table(
    "response_events",
    metadata,
    _bytes(_length("data")),
    Column("owner", Text, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("first", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("owner", "response_id", "first"),
    _link("response_id", "responses", ondelete="CASCADE"),
)

items = Table(
    "items",
    metadata,
    _bytes(f"{_length('body')} + {_length('private')}"),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("body", Json, nullable=False),
    Column("private", Json, nullable=False),
    Column("created", Double, nullable=False, index=True),
    PrimaryKeyConstraint("owner", "id"),
)

response_items = Table(
    "response_items",
    metadata,
    Column("owner", Text, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("output", Boolean, nullable=False),
    Column("position", Integer, nullable=False),
    Column("item_id", Text, nullable=False),
    PrimaryKeyConstraint("owner", "response_id", "output", "position"),
    _link("response_id", "responses", ondelete="CASCADE"),
    _link("item_id", "items"),
    Index("ix_response_items_item", "owner", "item_id"),
)

conversations = Table(
    "conversations",
    metadata,
    _bytes(_length("metadata")),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("metadata", Json, nullable=False),
    PrimaryKeyConstraint("owner", "id"),
)

conversation_items = Table(
    "conversation_items",
    metadata,
    _sequence(),
    Column("owner", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    UniqueConstraint("owner", "conversation_id", "item_id"),
    _link("conversation_id", "conversations", ondelete="CASCADE"),
    _link("item_id", "items"),
    Index("ix_conversation_items_item", "owner", "item_id"),
)

containers = Table(
    "containers",
    metadata,
    _sequence(),
    _bytes(_length("file_ids")),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("last_active", Double, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("expires_after_s", Double, nullable=False),
    Column("memory_bytes", BigInteger),
    Column("status", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("file_ids", Names, nullable=False),
    UniqueConstraint("owner", "id"),
)

container_files = Table(
    "container_files",
    metadata,
    _sequence(),
    _bytes(f"{_length('path')} + CASE WHEN blob IS NULL THEN 0 ELSE {_blocks('size')} END"),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("container_id", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("path", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("blob", Text, unique=True),
    UniqueConstraint("owner", "id"),
    UniqueConstraint("owner", "container_id", "path"),
    _link("container_id", "containers", ondelete="CASCADE"),
)

files = Table(
    "files",
    metadata,
    _sequence(),
    _bytes(_blocks("size")),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created", Double, nullable=False, index=True),
    Column("filename", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("mime", Text, nullable=False),
    Column("expires", Double, index=True),
    Column("blob", Text, nullable=False, unique=True),
    UniqueConstraint("owner", "id"),
)


functions = Table(
    "functions",
    metadata,
    _bytes("0"),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("latest", Text, nullable=False),
    Column("last_version", Integer, nullable=False),
    PrimaryKeyConstraint("owner", "id"),
)

function_revisions = Table(
    "function_revisions",
    metadata,
    _sequence(),
    _bytes(f"{_length('body')} + {_blocks('code_size')}"),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("function_id", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("version", Integer),
    Column("code_sha256", Text, nullable=False),
    Column("code_size", BigInteger, nullable=False),
    Column("blob", Text, nullable=False, unique=True),
    Column("body", Json, nullable=False),
    UniqueConstraint("owner", "id"),
    UniqueConstraint("owner", "function_id", "version"),
    _link("function_id", "functions", ondelete="CASCADE"),
)

function_aliases = Table(
    "function_aliases",
    metadata,
    _bytes("0"),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("function_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("owner", "function_id", "id"),
    _link("function_id", "functions", ondelete="CASCADE"),
)

# Without a link to their functions: they tell what became of them when those are gone.
invocations = Table(
    "invocations",
    metadata,
    _sequence(),
    _bytes(f"{_length('request')} + {_length('body')} + {_length('result')}"),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("function_id", Text, nullable=False),
    Column("revision_id", Text, nullable=False),
    Column("created", Double, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("server", Text, nullable=False),
    Column("body", Json, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("result", Json, nullable=False),
    UniqueConstraint("owner", "id"),
    Index("ix_invocations_function", "owner", "function_id", "seq"),
    Index("ix_invocations_open", "state", sqlite_where=text("state != 'done'")),
)

# What came with each version of the schema after the first that was released.
ADDED = {3: (functions, function_revisions, function_aliases, invocations)}


def columns(table: Table, record: Any) -> Sequence[Column[Any]]:
    """The columns that hold a record's fields, in the record's order."""
    return [table.c[field.name] for field in fields(record)]


def values(record: DataclassInstance) -> dict[str, Any]:
    """A record's fields, as the table takes them."""
    return {field.name: getattr(record, field.name) for field in fields(record)}
