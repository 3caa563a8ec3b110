"""The tables of invocations: small rows for how far they are, and others for what they take and return."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, UniqueConstraint
from sqlalchemy import text as sql

from .columns import Json, counted, length, link, metadata, sequence

# Without a link to their functions: they tell what became of them when those are gone.
invocations = Table(
    "invocations",
    metadata,
    sequence(),
    counted(length("body")),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("function_id", Text, nullable=False),
    Column("revision_id", Text, nullable=False),
    Column("created", Double, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("server", Text, nullable=False),
    Column("body", Json, nullable=False),
    UniqueConstraint("owner", "id"),
    Index("ix_invocations_function", "owner", "function_id", "seq"),
    # With all that is asked of those that are open, or SQLite would look through another index.
    Index(
        "ix_invocations_open",
        "owner",
        "function_id",
        "revision_id",
        "state",
        "server",
        sqlite_where=sql("state != 'done'"),
    ),
    Index("ix_invocations_accepted", "owner", "function_id", "accepted", "seq"),
)

# Until it has ended.
invocation_requests = Table(
    "invocation_requests",
    metadata,
    counted(length("content")),
    Column("owner", Text, nullable=False),
    Column("invocation_id", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("owner", "invocation_id"),
    link("invocation_id", "invocations", ondelete="CASCADE"),
)

# Of those that have returned a value.
invocation_results = Table(
    "invocation_results",
    metadata,
    counted(length("content")),
    Column("owner", Text, nullable=False),
    Column("invocation_id", Text, nullable=False),
    Column("content", Json, nullable=False),
    PrimaryKeyConstraint("owner", "invocation_id"),
    link("invocation_id", "invocations", ondelete="CASCADE"),
)
