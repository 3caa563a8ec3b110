"""The places of executions: among those that run, and of those that are paused."""

from __future__ import annotations

from collections import Counter, deque

import anyio

from .paused import Paused


class Slots:
    """Places, such as those of all executions that run.

    An owner has three quarters of them at the most, so that there is one soon for everybody else. Of those that wait
    an owner with fewer comes first, and then owners take turns.
    """

    def __init__(self, most: int) -> None:
        self.running = 0
        self._most, self._share = most, -(-most * 3 // 4)
        self._running_of: Counter[str] = Counter()
        self._waiting: dict[str, deque[anyio.Event]] = {}  # the owner whose turn is next is the first

    async def take(self, owner: str) -> None:
        """Wait for a place."""
        if self._may(owner):
            return self._count(owner)
        served = anyio.Event()
        self._waiting.setdefault(owner, deque()).append(served)
        try:
            await served.wait()
        except BaseException:
            if served.is_set():
                self.give(owner)
            else:
                self._leave(owner, served)
            raise

    def give(self, owner: str) -> None:
        """Leave one to others."""
        self.running -= 1
        self._running_of[owner] -= 1
        if not self._running_of[owner]:
            del self._running_of[owner]
        while (next_owner := self._next()) is not None:
            line = self._waiting.pop(next_owner)
            self._count(next_owner)
            line.popleft().set()
            if line:
                self._waiting[next_owner] = line

    def _may(self, owner: str) -> bool:
        return self.running < self._most and self._running_of[owner] < self._share

    def _count(self, owner: str) -> None:
        self.running += 1
        self._running_of[owner] += 1

    def _leave(self, owner: str, served: anyio.Event) -> None:
        self._waiting[owner].remove(served)
        if not self._waiting[owner]:
            del self._waiting[owner]

    def _next(self) -> str | None:
        able = (owner for owner in self._waiting if self._may(owner))
        return min(able, key=lambda owner: self._running_of[owner], default=None)


class Slot:
    """One execution's place among those that run; given back while it waits for its client.

    Args:
        paused: those that wait for their clients.
    """

    def __init__(self, slots: Slots, paused: Paused, owner: str) -> None:
        self._slots, self._paused, self._owner = slots, paused, owner
        self._taking: anyio.CancelScope | None = None
        self._held = self._left = False
        self._kept: int | None = None

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(self, *_: object) -> None:
        self._left = True
        if self._taking is not None:
            self._taking.cancel()
        self.resume()
        self._give_if_left()

    async def take(self) -> None:
        """Wait for the place; who has it keeps it. One at a time may; whoever waits when it is left goes without."""
        if self._held or self._left:
            return
        with anyio.CancelScope() as self._taking:
            await self._slots.take(self._owner)
            self._held = True
        self._taking = None
        self._give_if_left()

    def give(self) -> None:
        """Leave it to others."""
        if self._held:
            self._held = False
            self._slots.give(self._owner)

    def pause(self, kept: int) -> str | None:
        """Count it among those that are paused; returns why not, where these have no room.

        Args:
            kept: how many bytes are kept of it meanwhile.
        """
        refusal = self._paused.refusal(self._owner, kept, self._kept)
        if refusal is None:
            self.resume()
            self._kept = kept
            self._paused.add(self._owner, kept)
            self.give()
        return refusal

    def resume(self) -> None:
        """Count it no longer."""
        if self._kept is not None:
            self._paused.remove(self._owner, self._kept)
            self._kept = None

    def _give_if_left(self) -> None:
        if self._left:
            self.give()
