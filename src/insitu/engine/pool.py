"""Sandboxes made ahead of need, never more than a fixed number, refilled off the request's path."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable

import anyio

from ..errors import InsituError
from ..isolation.base import Sandbox

_log = logging.getLogger("insitu.pool")
_PAUSE_AFTER_FAILURE_S = 1.0
# Whoever takes a sandbox wants the processors for a moment; while enough others wait, that comes first.
_AFTER_TAKING_S = 0.015


class Pool:
    """Ready sandboxes of the default environment with the default limits.

    Args:
        make: makes one.
        idle: whether nothing runs now, so that there is time to rehearse those that wait.
    """

    def __init__(self, size: int, make: Callable[[], Awaitable[Sandbox]], idle: Callable[[], bool]) -> None:
        self._size = size
        self._make = make
        self._idle = idle
        self._rehearsed: deque[Sandbox] = deque()
        self._fresh: deque[Sandbox] = deque()
        self._dead: list[Sandbox] = []
        self._taken = anyio.Event()
        self._full = anyio.Event()

    @property
    def warm(self) -> bool:
        """Whether it has been full once."""
        return self._size == 0 or self._full.is_set()

    @property
    def ready(self) -> int:
        """How many sandboxes wait in it."""
        return len(self._rehearsed) + len(self._fresh)

    def take(self) -> Sandbox | None:
        """A ready sandbox, if there is one."""
        for shelf in (self._rehearsed, self._fresh):
            while shelf:
                sandbox = shelf.popleft()
                self._taken.set()
                if sandbox.alive:
                    return sandbox
                self._dead.append(sandbox)
        return None

    async def keep_full(self) -> None:
        """Refill for ever; one at a time, so that requests come first."""
        try:
            while True:
                while self._dead:
                    await self._dead.pop().aclose()
                while self.ready < self._size:
                    await self._add_one()
                self._taken = anyio.Event()
                await self._rehearse()
                self._full.set()
                await self._taken.wait()
                if self.ready > self._size // 2:
                    await anyio.sleep(_AFTER_TAKING_S)
        finally:
            with anyio.CancelScope(shield=True):
                for sandbox in (*self._dead, *self._rehearsed, *self._fresh):
                    await sandbox.aclose()
                self._rehearsed.clear()
                self._fresh.clear()

    async def _rehearse(self) -> None:
        # A first cell spends most of its time on copies of what the fork shares: they can be made ahead, too.
        while self._fresh and self._idle():
            sandbox = self._fresh.popleft()
            try:
                await sandbox.rehearse()
            except (InsituError, OSError) as error:
                _log.warning("a sandbox of the pool died at its rehearsal: %s", error)
                self._dead.append(sandbox)
                self._taken.set()
            except BaseException:
                self._dead.append(sandbox)
                raise
            else:
                self._rehearsed.append(sandbox)

    async def _add_one(self) -> None:
        try:
            self._fresh.append(await self._make())
        except Exception as error:
            # Whatever it is, requests meet it, too, and are told: the engine goes on.
            _log.warning(
                "a sandbox for the pool could not be made: %s", error, exc_info=not isinstance(error, InsituError)
            )
            await anyio.sleep(_PAUSE_AFTER_FAILURE_S)
