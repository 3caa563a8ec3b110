"""Answers in the store: how one that nobody makes any more has ended, and its stream, read again from any event on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from ..errors import ServiceError, StoreFailed
from ..store import EventsRecord, ResponseRecord, Store
from ..store.responses import Responses
from .bodies import Body
from .errors import ServerStopped
from .parameters import BadParameter

_PART_BYTES = 256 * 1024
_END = b"\n\n"
_UNDER_WAY = ("queued", "in_progress")


def lost(store: Store, record: ResponseRecord) -> ServiceError | None:
    """Why an answer that no job makes here will never end, if so."""
    server = record.body["server"]
    if record.status not in _UNDER_WAY:
        return None
    if server == store.servers.id:
        return StoreFailed("the answer was made, and could not be stored")
    return None if store.servers.alive(server) else ServerStopped()


def check_recorded(record: ResponseRecord, kind: str) -> None:
    """Raise BadParameter if an answer that no job makes here has no stream to be read again.

    Args:
        kind: what the dialect calls it.
    """
    if not record.body["background"]:
        raise BadParameter("stream", f"only {kind}s that were made with background can be streamed again")
    if record.status in _UNDER_WAY:
        raise BadParameter("stream", "its events went with the server that made it")


def recorded(events: Iterable[bytes]) -> list[EventsRecord]:
    """All events of a stream in parts, so that nobody has to read all of it at once."""
    parts: list[EventsRecord] = []
    first, some, size = 0, list[bytes](), 0
    for number, event in enumerate(events):
        if some and size + len(event) > _PART_BYTES:
            parts.append(EventsRecord(first, b"".join(some)))
            first, some, size = number, [], 0
        some.append(event)
        size += len(event)
    return [*parts, EventsRecord(first, b"".join(some))]


async def replay(responses: Responses, response_id: str, owner: str, number: int, body: Body) -> AsyncIterator[bytes]:
    """The events from a number on.

    Args:
        body: what the request holds: the part that its client is about to read.

    Raises:
        ServerFull: if there is no room for a part.
    """
    while (part := await responses.events(response_id, owner, number)) is not None:
        body.grow(len(part.data))
        events = [part.data] if part.data.find(_END) == len(part.data) - len(_END) else _split(part.data)
        following = part.first + len(events)
        if number >= following:
            return
        for event in events[number - part.first :]:
            yield event
        number = following


def _split(data: bytes) -> list[bytes]:
    return [event + _END for event in data.split(_END)[:-1]]
