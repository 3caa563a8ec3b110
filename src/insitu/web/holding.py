"""How much a turn is to hold in memory: counted while it is put together, and refused where it is too much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import TooLarge
from .bodies import Body
from .parameters import BadParameter

MOST_PARTS = 10_000
# What each value takes beside its text, at the least.
_VALUE_BYTES = 32


class Holding:
    """What a transcript holds, which is counted with the body of its request.

    Args:
        body: what the request holds in all.
        most: bytes that the transcript may have.
    """

    def __init__(self, body: Body, most: int) -> None:
        self.most = most
        self._body = body
        self._brought = body.size
        self._taken = 0

    def take(self, size: int) -> None:
        """Count some bytes.

        Raises:
            TooLarge: if they are too many for one transcript.
            ServerFull: if they are too many for this server now.
        """
        self._taken += size
        if self._taken > self.most:
            raise TooLarge(
                f"the conversation, with its images and files, has more than {self.most} bytes",
                hint="leave large items out, or have the operator raise max_transcript_bytes",
            )
        # What the request has brought is a part of it.
        self._body.grow(max(self._brought, self._taken))

    def bring(self, where: str, items: int, size: int) -> None:
        """Have room for what the request goes on from, before it is read; it is a part of what is taken, too.

        Raises:
            BadParameter: if there are more items than can be gone through.
            ServerFull: if they are too many bytes for this server now.
        """
        check_count(where, items, "items, with those that it goes on from")
        self._brought += size
        self._body.grow(max(self._brought, self._taken))

    def take_all(self, value: object) -> None:
        """Count all texts of a value; raises as :meth:`take`."""
        self.take(weight(value, self.most - self._taken))


def weight(value: object, most: int) -> int:
    """About how many bytes a JSON value takes; one that is in it twice counts twice.

    Args:
        most: where to stop, as it is too many anyway.
    """
    total = 0
    left: list[Any] = [value]
    while left and total <= most:
        value = left.pop()
        total += _VALUE_BYTES
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, dict):
            total += sum(map(len, value))
            left += value.values()
        elif isinstance(value, list):
            left += value
    return total


def check_count(where: str, count: int, what: str) -> None:
    """Refuse more of something than can be gone through while everybody waits.

    Raises:
        BadParameter: if so.
    """
    if count > MOST_PARTS:
        raise BadParameter(where, f"{where}: there are {count} {what}, and {MOST_PARTS} is the most")


def check_messages(where: str, messages: Sequence[object], what: str = "messages") -> None:
    """Refuse too many messages, or too many parts in all of them; raises as :func:`check_count`."""
    check_count(where, len(messages), what)
    contents = [message.get("content") for message in messages if isinstance(message, dict)]
    check_count(where, sum(len(content) for content in contents if isinstance(content, list)), "parts")
