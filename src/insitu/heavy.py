"""Work that takes long for its bytes: in threads, so that the event loop goes on for everybody else."""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, Event, to_thread
from anyio.lowlevel import RunVar

P = ParamSpec("P")
T = TypeVar("T")

# For less, a thread costs more than the work.
SMALL_BYTES = 64 * 1024
# At once: what such work holds in between is counted by nobody.
_MOST = 2
_SLICE = 1 << 20
_PLAIN_SLICE = _SLICE // 4 * 3
working_for: ContextVar[str] = ContextVar("insitu.working_for", default="")
"""The owner for whom a task works: each that waits gets a thread in its turn."""


async def heavy(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` returns; for more than a few bytes it works in a thread, and few do so at once.

    Args:
        size: of what it works on, in bytes.
    """
    if size <= SMALL_BYTES:
        return work(*args, **kwargs)
    async with _threads().place(working_for.get()) as limiter:
        return await to_thread.run_sync(lambda: work(*args, **kwargs), limiter=limiter)


def decoded(text: str) -> bytes:
    """What base64 stands for, read in pieces: Python's own reader lets no other thread run before its end.

    Raises:
        ValueError: if it is not base64.
    """
    if "=" in text[:-2]:
        raise binascii.Error("Excess data after padding")
    pieces = (text[start : start + _SLICE] for start in range(0, len(text), _SLICE))
    return b"".join([base64.b64decode(piece, validate=True) for piece in pieces])


def encoded(content: bytes) -> str:
    """The base64 of bytes, written in pieces for the same reason."""
    pieces = (content[start : start + _PLAIN_SLICE] for start in range(0, len(content), _PLAIN_SLICE))
    return "".join([base64.b64encode(piece).decode() for piece in pieces])


class _Threads:
    """Places for threads; one that is free goes to the owner who has waited longest since having one."""

    def __init__(self) -> None:
        self._limiter = CapacityLimiter(_MOST)
        self._free = _MOST
        self._waiting: dict[str, deque[Event]] = {}

    @asynccontextmanager
    async def place(self, owner: str) -> AsyncIterator[CapacityLimiter]:
        """A place, as soon as it is the owner's turn."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(owner)
        try:
            yield self._limiter
        finally:
            self._give_on()

    async def _wait(self, owner: str) -> None:
        turn = Event()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._give_on()
            else:
                self._leave(owner, turn)
            raise

    def _leave(self, owner: str, turn: Event) -> None:
        self._waiting[owner].remove(turn)
        if not self._waiting[owner]:
            del self._waiting[owner]

    def _give_on(self) -> None:
        if not self._waiting:
            self._free += 1
            return
        owner = next(iter(self._waiting))
        queue = self._waiting.pop(owner)
        queue.popleft().set()
        if queue:
            self._waiting[owner] = queue  # behind all others


_known: RunVar[_Threads] = RunVar("insitu.heavy")


def _threads() -> _Threads:
    try:
        return _known.get()
    except LookupError:
        _known.set(threads := _Threads())
        return threads
