"""Waiting for what sets no event: a state of the server, of the kernel or of the guest."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Awaitable, Callable

import anyio

LIMIT_S = 30
_PAUSE_S = 0.01


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask again until the answer is yes.

    Raises:
        AssertionError: with what was asked, if it is no for 30 seconds.
    """
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, _never(condition)
        threading.Event().wait(_PAUSE_S)


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """The same on an event loop, where asking may take a while itself."""
    deadline = time.monotonic() + LIMIT_S
    while not await _is_so(condition):
        assert time.monotonic() < deadline, _never(condition)
        await anyio.sleep(_PAUSE_S)


async def _is_so(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = condition()
    return answer if isinstance(answer, bool) else await answer


def _never(condition: Callable[[], object]) -> str:
    return f"not so after {LIMIT_S} s: {inspect.getsource(condition).strip()}"
