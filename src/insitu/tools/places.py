"""The places of one tool's calls: how many run side by side, and whose turn it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from ..engine.slots import Slots

# Of one key's calls: more than one execution may have under way.
_MOST_WAITING = 256


class NoPlace(Exception):
    """Raised when a call gets no place.

    Args:
        name: of the exception that code gets.
        why: goes on from the tool's name.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(why)
        self.name, self.why = name, why


class Place:
    """A call's place."""

    def __init__(self, slots: Slots, owner: str) -> None:
        self._slots, self._owner = slots, owner
        self.kept = False

    def keep(self) -> None:
        """Let it be held by something that outlives the call, and gives it back."""
        self.kept = True

    def give(self) -> None:
        """Leave it to others."""
        self._slots.give(self._owner)


class Places:
    """All of them; owners who wait take turns, and none can have all of them.

    Args:
        most: how many there are.
        wait_s: how long a call waits for one, in seconds.
    """

    def __init__(self, most: int, wait_s: float) -> None:
        self._slots = Slots(most)
        self._most, self._wait_s = most, wait_s
        self._waiting: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, owner: str) -> AsyncIterator[Place]:
        """A place, as long as the context lasts, or whatever keeps it.

        Raises:
            NoPlace: if none was free in time, or too many calls of the owner's wait for one.
        """
        await self._take(owner)
        place = Place(self._slots, owner)
        try:
            yield place
        finally:
            if not place.kept:
                place.give()

    async def _take(self, owner: str) -> None:
        if self._waiting[owner] >= _MOST_WAITING:
            raise NoPlace("RuntimeError", f"is waited for by {_MOST_WAITING} of your calls, and more may not be")
        self._waiting[owner] += 1
        try:
            with anyio.move_on_after(self._wait_s) as waiting:
                await self._slots.take(owner)
        finally:
            self._waiting[owner] -= 1
            if not self._waiting[owner]:
                del self._waiting[owner]
        if waiting.cancelled_caught:
            raise NoPlace(
                "TimeoutError",
                f"had no place for the call within {self._wait_s:g} s: {self._most} may run at once, and those "
                "that were given up count until they end",
            )
