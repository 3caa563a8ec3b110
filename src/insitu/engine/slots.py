"""The place of one execution among those that run."""

from __future__ import annotations

import anyio


class Slot:
    """A place among the executions that run; given back while one waits for its client.

    Args:
        slots: all the places; whoever waits for one is served in turn.
    """

    def __init__(self, slots: anyio.Semaphore) -> None:
        self._slots = slots
        self._taking: anyio.CancelScope | None = None
        self._held = self._left = False

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(self, *_: object) -> None:
        self._left = True
        if self._taking is not None:
            self._taking.cancel()
        self._give_if_left()

    async def take(self) -> None:
        """Wait for the place; who has it keeps it. One at a time may; whoever waits when it is left goes without."""
        if self._held or self._left:
            return
        try:
            self._slots.acquire_nowait()
            self._held = True
        except anyio.WouldBlock:
            await self._wait()

    async def _wait(self) -> None:
        with anyio.CancelScope() as self._taking:
            await self._slots.acquire()
            self._held = True
        self._taking = None
        self._give_if_left()

    def _give_if_left(self) -> None:
        if self._left:
            self.give()

    def give(self) -> None:
        """Leave it to others."""
        if self._held:
            self._held = False
            self._slots.release()
