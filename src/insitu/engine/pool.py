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
        return None

    async def keep_full(self) -> None:
        """Refill for ever; one at a time, so that requests come first."""
        try:
            while True:
                while len(self._ready) < self._size:
                    await self._add_one()
                self._full.set()
                self._taken = anyio.Event()
                await self._taken.wait()
        finally:
            with anyio.CancelScope(shield=True):
                while self._ready:
                    await self._ready.popleft().aclose()

    async def _add_one(self) -> None:
        try:
            self._ready.append(await self._make())
        except InsituError as error:
            _log.warning("a sandbox for the pool could not be made: %s", error)
            await anyio.sleep(_PAUSE_AFTER_FAILURE_S)
