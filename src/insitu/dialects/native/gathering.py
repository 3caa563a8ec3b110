"""Many answers in one: gathered in a body, or streamed as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from starlette.responses import Response

from ...errors import ServerFull
from ...types import MIB
from ...web.bodies import Body
from ...web.encoding import dumps
from ...web.service import Service
from ...web.sse import EventStream, encode

MOST_BYTES = 64 * MIB
_AHEAD = 16

# Takes one answer, encoded, and what it is counted as.
Tell = Callable[[bytes, str], Awaitable[None]]


class Gathered:
    """The answers of one request, each encoded as it ends: so is known what they hold.

    Args:
        body: what the request holds already.
        count: how many there will be.
    """

    def __init__(self, body: Body, count: int) -> None:
        self._body, self._asked_size = body, body.size
        self._parts = [b""] * count
        self._size = 0
        self._outcomes: Counter[str] = Counter()

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be held."""
        if self._size + size > MOST_BYTES:
            return False
        try:
            self._body.grow(self._asked_size + self._size + size)
        except ServerFull:
            return False
        return True

    def take(self, index: int, part: bytes, outcome: str) -> None:
        """Take the answer at a place."""
        self._size += len(part)
        self._parts[index] = part
        self._outcomes[outcome] += 1

    def answer(self) -> Response:
        """All of them in their order, and how many ended how."""
        content = b'{"items":[%b],"outcomes":%b}' % (b",".join(self._parts), dumps(self._outcomes))
        return Response(content, media_type="application/json")


def streamed(service: Service, work: Callable[[Tell], Awaitable[None]]) -> Response:
    """The answers as server-sent events, each as it ends: ``item``, and last ``finished`` with their numbers."""
    # Bounded: who reads slowly holds up the work, and not memory.
    send, receive = anyio.create_memory_object_stream[tuple[bytes, str]](_AHEAD)
    failures: list[Exception] = []

    async def tell(part: bytes, outcome: str) -> None:
        await send.send((part, outcome))

    async def run() -> None:
        try:
            await work(tell)
        except Exception as failure:
            failures.append(failure)
        finally:
            send.close()

    async def events() -> AsyncIterator[bytes]:
        outcomes: Counter[str] = Counter()
        with send, receive:
            async for part, outcome in receive:
                outcomes[outcome] += 1
                yield encode("item", part, outcomes.total() - 1)
        if failures:
            raise failures[0]
        yield encode("finished", dumps({"outcomes": outcomes}), outcomes.total())

    return EventStream(service, events(), beside=[run])
