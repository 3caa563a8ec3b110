"""The tables of responses and conversations, and of the items that they share."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from .columns import Json, counted, length, link, metadata, sequence

responses = Table(
    "responses",
    metadata,
    Column("id", Text, nullable=False),
    counted(length("body")),
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
    counted(length("data")),
    Column("owner", Text, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("first", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("owner", "response_id", "first"),
    link("response_id", "responses", ondelete="CASCADE"),
)

items = Table(
    "items",
    metadata,
    counted(f"{length('body')} + {length('private')}"),
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
    link("response_id", "responses", ondelete="CASCADE"),
    link("item_id", "items"),
    Index("ix_response_items_item", "owner", "item_id"),
)

conversations = Table(
    "conversations",
    metadata,
    counted(length("metadata")),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("metadata", Json, nullable=False),
    PrimaryKeyConstraint("owner", "id"),
)

conversation_items = Table(
    "conversation_items",
    metadata,
    sequence(),
    Column("owner", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    UniqueConstraint("owner", "conversation_id", "item_id"),
    link("conversation_id", "conversations", ondelete="CASCADE"),
    link("item_id", "items"),
    Index("ix_conversation_items_item", "owner", "item_id"),
)
