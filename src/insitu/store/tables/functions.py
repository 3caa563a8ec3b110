"""The tables of functions, what is deployed of them, and the names that their versions have."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from .columns import Json, blocks, counted, length, link, metadata, sequence

functions = Table(
    "functions",
    metadata,
    counted("0"),
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
    sequence(),
    counted(f"{length('body')} + {blocks('code_size')}"),
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
    link("function_id", "functions", ondelete="CASCADE"),
)

function_aliases = Table(
    "function_aliases",
    metadata,
    counted("0"),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("function_id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("owner", "function_id", "id"),
    link("function_id", "functions", ondelete="CASCADE"),
)
