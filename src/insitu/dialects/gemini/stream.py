"""An answer as a stream of envelopes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...turn import events as on
from ...web.encoding import dumps
from ...web.shapes import Json
from ...web.sse import encode_unnamed
from .answer import ContentAnswer

# Reads the files that code has made, as parts.
MadeParts = Callable[[ContentAnswer], Awaitable[list[Json]]]


class ContentStream:
    """Writes an answer as the events of a stream.

    Args:
        made: reads the files that code has made.
        send: sends an event.
    """

    def __init__(self, answer: ContentAnswer, made: MadeParts, send: Callable[[bytes], None]) -> None:
        self._answer = answer
        self._made = made
        self._send = send

    def hear(self, event: on.TurnEvent) -> None:
        """Send what there is to tell of an event."""
        if parts := self._answer.parts(event):
            self._send(encoded(self._answer.envelope(parts)))

    async def end(self, result: on.TurnResult) -> None:
        """Send the files that were made, and the end."""
        for part in await self._made(self._answer):
            self._send(encoded(self._answer.envelope([part])))
        # Code of users reads the first part of every envelope.
        self._send(encoded(self._answer.envelope([self._answer.last_part], result)))


def encoded(event: Json) -> bytes:
    """An event as it is sent; Google's have no names."""
    return encode_unnamed(dumps(event))
