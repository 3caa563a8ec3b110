"""Streams that are recorded, and read again from any event on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from ..store import EventsRecord
from ..store.responses import Responses
from .bodies import Body

_PART_BYTES = 256 * 1024
_END = b"\n\n"


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
