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


class Pool:
    """Ready sandboxes of the default environment with the default limits."""

    def __init__(self, size: int, make: Callable[[], Awaitable[Sandbox]]) -> None:
        self._size = size
        self._make = make
        self._ready: deque[Sandbox] = deque()
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
        return len(self._ready)

    def take(self) -> Sandbox | None:
        """A ready sandbox, if there is one."""
        while self._ready:
            sandbox = self._ready.popleft()
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
                while len(self._ready) < self._size:
                    await self._add_one()
                self._full.set()
                self._taken = anyio.Event()
                await self._taken.wait()
        finally:
            with anyio.CancelScope(shield=True):
                for sandbox in (*self._dead, *self._ready):
                    await sandbox.aclose()
                self._ready.clear()

    async def _add_one(self) -> None:
        try:
            self._ready.append(await self._make())
        except Exception as error:
            # Whatever it is, requests meet it, too, and are told: the engine goes on.
            _log.warning(
                "a sandbox for the pool could not be made: %s", error, exc_info=not isinstance(error, InsituError)
            )
            await anyio.sleep(_PAUSE_AFTER_FAILURE_S)
