"""What is stored, as typed values. Times are seconds since the epoch; another owner's record is as good as none."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")


def new_id(prefix: str) -> str:
    """An id that nobody can guess: the prefix and 128 random bits."""
    return f"{prefix}{secrets.token_hex(16)}"


@dataclass(frozen=True, slots=True)
class Item:
    """One input or output item of a response or a conversation.

    Args:
        body: what clients see.
        private: what the server alone keeps.
    """

    id: str
    owner: str
    body: dict[str, Any]
    private: dict[str, Any]
    created: float


@dataclass(frozen=True, slots=True)
class ResponseRecord:
    """A response without its items.

    Args:
        previous_id: the response that this one goes on from.
    """

    id: str
    owner: str
    created: float
    status: str
    body: dict[str, Any]
    previous_id: str | None = None
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class EventsRecord:
    """A part of a recorded stream, from which a client can resume.

    Args:
        first: the number of its first event.
    """

    first: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its items."""

    id: str
    owner: str
    created: float
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """A container, which outlives the sandbox that it had.

    Args:
        expires_after_s: seconds without use after which it expires.
        server: the id of the server process that may hold its sandbox.
        file_ids: the files that it was made with.
    """

    id: str
    owner: str
    created: float
    last_active: float
    name: str
    expires_after_s: float
    memory_bytes: int | None
    status: Literal["running", "expired", "deleted"]
    server: str
    file_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ContainerFile:
    """A file of a container.

    Args:
        path: relative to the workspace.
        blob: its content, once that is kept; set by the store alone.
    """

    id: str
    owner: str
    container_id: str
    created: float
    path: str
    size: int
    source: Literal["user", "assistant"]
    blob: str | None = None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class FileDetails:
    """What is said of a file that is uploaded.

    Args:
        expires: when it is to be gone, in seconds since the epoch; None for the retention of the server.
    """

    filename: str
    purpose: str
    mime: str
    expires: float | None


@dataclass(frozen=True, slots=True)
class FileRecord:
    """An uploaded file.

    Args:
        expires: when it is gone; None for the retention of the server.
        blob: its content; set by the store alone.
    """

    id: str
    owner: str
    created: float
    filename: str
    size: int
    purpose: str
    mime: str
    expires: float | None
    blob: str


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a listing is asked for.

    Args:
        after: the id that the part begins behind; None for the beginning.
    """

    limit: int = 20
    after: str | None = None
    order: Literal["asc", "desc"] = "desc"


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A part of a listing, and whether there is more behind it."""

    data: list[T]
    has_more: bool
