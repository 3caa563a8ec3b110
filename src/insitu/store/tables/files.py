"""The tables of files, and of containers and theirs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Table, Text, UniqueConstraint

from .columns import Names, blocks, counted, length, link, metadata, sequence

containers = Table(
    "containers",
    metadata,
    sequence(),
    counted(length("file_ids")),
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
    sequence(),
    counted(f"{length('path')} + CASE WHEN blob IS NULL THEN 0 ELSE {blocks('size')} END"),
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
    link("container_id", "containers", ondelete="CASCADE"),
)

files = Table(
    "files",
    metadata,
    sequence(),
    counted(blocks("size")),
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
