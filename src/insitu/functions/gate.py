"""How many invocations of a function run at once."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from ..errors import QuotaExceeded

Key = tuple[str, str]


class _Gate:
    """The places of one function. Those who wait come before those who would not."""

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[anyio.Event] = deque()
        self.most = 1

    def leave(self) -> None:
        """Give a place back."""
        self.running -= 1
        self._admit()

    def _admit(self) -> None:
        while self.waiting and self.running < self.most:
            self.running += 1
            self.waiting.popleft().set()

    async def wait(self) -> None:
        """Wait for a place."""
        event = anyio.Event()
        self.waiting.append(event)
        self._admit()
        try:
            await event.wait()
        except BaseException:
            if event.is_set():
                self.leave()
            else:
                self.waiting.remove(event)
            raise


class Gates:
    """The places of all functions, by owner and name."""

    def __init__(self) -> None:
        self._gates: dict[Key, _Gate] = {}

    @asynccontextmanager
    async def place(self, key: Key, most: int, *, wait: bool) -> AsyncIterator[None]:
        """Have one of a function's ``most`` places, for as long as the context lasts.

        Args:
            wait: whether to wait for one.

        Raises:
            QuotaExceeded: if all are taken.
        """
        gate = self._gates.setdefault(key, _Gate())
        gate.most = most
        try:
            if wait:
                await gate.wait()
            elif gate.running >= most or gate.waiting:
                raise QuotaExceeded(
                    f"{gate.running} invocations of the function {key[1]!r} run, and {most} may",
                    hint="try again in a while, invoke it in the background, or deploy it with more concurrency",
                )
            else:
                gate.running += 1
            try:
                yield
            finally:
                gate.leave()
        finally:
            if not gate.running and not gate.waiting and self._gates.get(key) is gate:
                del self._gates[key]
