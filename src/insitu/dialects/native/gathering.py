"""Many answers in one: gathered in a body, or streamed as they come."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import anyio
from starlette.responses import Response

from ...errors import ServerFull
from ...types import MIB
from ...web.bodies import Body
from ...web.encoding import dumps
from ...web.service import Service
from ...web.sse import EventStream, encode

MOST_BYTES = 64 * MIB
_AHEAD_BYTES = MIB

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


class Ahead:
    """What is told and not read yet: bounded, so that who reads slowly holds up the work, and not memory.

    Args:
        body: what the request holds already; what waits to be let in counts as well.
        most: bytes that may be there; what has more is let in alone.
    """

    def __init__(self, body: Body, most: int = _AHEAD_BYTES) -> None:
        self.size = 0
        self._body = body
        self._most = most
        self._parts: deque[tuple[bytes, str]] = deque()
        self._closed = False
        self._turn = anyio.Lock()
        self._come, self._gone = anyio.Event(), anyio.Event()

    async def put(self, part: bytes, outcome: str) -> None:
        """Put one answer in; waits until there is room for it, in turn with others.

        Raises:
            ServerFull: if the requests under way hold too much already.
        """
        self._body.add(len(part))
        try:
            async with self._turn:
                await self._room(len(part))
                self.size += len(part)
                self._parts.append((part, outcome))
                self._come.set()
        except BaseException:
            self._body.give_back(len(part))
            raise

    async def _room(self, size: int) -> None:
        while self.size and self.size + size > self._most:
            self._gone = anyio.Event()
            await self._gone.wait()

    def close(self) -> None:
        """Say that nothing more comes."""
        self._closed = True
        self._come.set()

    async def read(self) -> AsyncGenerator[tuple[bytes, str]]:
        """All answers to the end; each takes up its room until the next is asked for."""
        while True:
            while self._parts:
                yield self._parts[0]
                size = len(self._parts.popleft()[0])
                self.size -= size
                self._body.give_back(size)
                self._gone.set()
            if self._closed:
                return
            self._come = anyio.Event()
            await self._come.wait()


def streamed(service: Service, body: Body, work: Callable[[Tell], Awaitable[None]]) -> Response:
    """The answers as server-sent events, each as it ends: ``item``, and last ``finished`` with their numbers.

    Args:
        body: what the request holds.
    """
    ahead = Ahead(body)
    failures: list[Exception] = []

    async def run() -> None:
        try:
            await work(ahead.put)
        except Exception as failure:
            failures.append(failure)
        finally:
            ahead.close()

    async def events() -> AsyncIterator[bytes]:
        outcomes: Counter[str] = Counter()
        async with aclosing(ahead.read()) as parts:
            async for part, outcome in parts:
                outcomes[outcome] += 1
                yield encode("item", part, outcomes.total() - 1)
        if failures:
            raise failures[0]
        yield encode("finished", dumps({"outcomes": outcomes}), outcomes.total())

    return EventStream(service, events(), beside=[run])
