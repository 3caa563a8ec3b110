"""Records to store, and short ways to store and read them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from insitu.store import (
    ContainerFile,
    ContainerRecord,
    Conversation,
    FileRecord,
    Item,
    ResponseRecord,
    Store,
    StoredBytes,
)

NOW = time.time()
LIMIT = 1000
QUOTA = 1_000_000


def opened(
    folder: Path, *, limit: int = QUOTA, read: int = 1 << 20, retention_s: float = 3600
) -> AbstractAsyncContextManager[Store]:
    """The store of a folder."""
    return Store.open(folder, bytes_per_owner=limit, read_bytes=read, retention_s=retention_s)


def item(id: str, *, owner: str = "ann", text: str = "", created: float = NOW, **private: Any) -> Item:
    """An item with a text."""
    return Item(id, owner, {"type": "message", "text": text}, private, created)


def response(id: str, *, owner: str = "ann", previous: str | None = None, created: float = NOW) -> ResponseRecord:
    """A finished response."""
    return ResponseRecord(id, owner, created, "completed", {"model": "m"}, previous)


def conversation(id: str, *, owner: str = "ann") -> Conversation:
    """A conversation without metadata."""
    return Conversation(id, owner, NOW, {})


def container(id: str, *, owner: str = "ann", created: float = NOW, name: str = "box") -> ContainerRecord:
    """A running container."""
    return ContainerRecord(id, owner, created, created, name, 1200, None, "running", "srv_1", ("file-1", "file-2"))


def container_file(
    id: str, *, path: str | None = None, owner: str = "ann", size: int = 0, created: float = NOW
) -> ContainerFile:
    """A file of the container "c"."""
    return ContainerFile(id, owner, "c", created, path or id, size, "assistant")


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    """Bytes as they come from a client."""
    for piece in pieces:
        yield piece


async def add(
    store: Store, id: str, *pieces: bytes, owner: str = "ann", max_bytes: int = LIMIT, expires: float | None = None
) -> FileRecord:
    """Store a file."""
    return await store.files.add(id, owner, f"{id}.csv", "user_data", "text/csv", expires, chunks(*pieces), max_bytes)


async def content(stored: StoredBytes, start: int = 0, end: int | None = None) -> bytes:
    """All bytes of a range."""
    return b"".join([chunk async for chunk in stored.read(start, end)])


def blobs(folder: Path) -> list[Path]:
    """The files that hold content, finished or not."""
    return [path for path in (folder / "blobs").rglob("*") if path.is_file()]
