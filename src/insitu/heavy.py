"""Work that takes long for its bytes: in threads, so that the event loop goes on for everybody else."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

P = ParamSpec("P")
T = TypeVar("T")

# For less, a thread costs more than the work.
SMALL_BYTES = 64 * 1024
# At once: what such work holds in between is counted by nobody.
_MOST = 2
_SLICE = 1 << 20
_PLAIN_SLICE = _SLICE // 4 * 3
_limiter: RunVar[CapacityLimiter] = RunVar("insitu.heavy")


async def heavy(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` returns; for more than a few bytes it works in a thread, and few do so at once.

    Args:
        size: of what it works on, in bytes.
    """
    if size <= SMALL_BYTES:
        return work(*args, **kwargs)
    return await to_thread.run_sync(lambda: work(*args, **kwargs), limiter=_threads())


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


def _threads() -> CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        _limiter.set(limiter := CapacityLimiter(_MOST))
        return limiter
