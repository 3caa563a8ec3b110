"""The table of what each owner has stored in all."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from .columns import metadata

# What is stored for each owner, counted from the column `bytes` of all other tables.
stored = Table(
    "stored",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
)
