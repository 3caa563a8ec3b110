"""How many invocations of a function run at once."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
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

    def enter(self) -> bool:
        """Take a place, if one is free and nobody waits for it."""
        if self.waiting or self.running >= self.most:
            return False
        self.running += 1
        return True

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
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Have something called whenever a place may have become free."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def place(self, key: Key, most: int, *, wait: bool) -> AsyncIterator[None]:
        """Have one of a function's ``most`` places, for as long as the context lasts.

        Args:
            wait: whether to wait for one.

        Raises:
            QuotaExceeded: if all are taken.
        """
        if wait:
            await self._wait(key, most)
        elif not self.enter(key, most):
            raise QuotaExceeded(
                f"{self._gates[key].running} invocations of the function {key[1]!r} run, and {most} may",
                hint="try again in a while, invoke it in the background, or deploy it with more concurrency",
            )
        try:
            yield
        finally:
            self.leave(key)

    def enter(self, key: Key, most: int) -> bool:
        """Take one of a function's ``most`` places, if one is free and nobody waits for it."""
        return self._gate(key, most).enter()

    def leave(self, key: Key) -> None:
        """Give a place back."""
        self._gates[key].leave()
        self._forget_unused(key)

    async def _wait(self, key: Key, most: int) -> None:
        try:
            await self._gate(key, most).wait()
        except BaseException:
            self._forget_unused(key)
            raise

    def _gate(self, key: Key, most: int) -> _Gate:
        gate = self._gates.setdefault(key, _Gate())
        gate.most = most
        return gate

    def _forget_unused(self, key: Key) -> None:
        gate = self._gates[key]
        if not gate.running and not gate.waiting:
            del self._gates[key]
        for listener in self._listeners:
            listener()
