"""The way from code to the host, for calls of tools and all else: one that any number of threads may use."""

from __future__ import annotations

import itertools
import os
import threading
from typing import Any, Callable

from . import protocol
from .inbox import Inbox, Waiter

_write, _getpid = os.write, os.getpid  # code may put others in their place


class Outbox:
    """Writes frames to a descriptor, each whole, whoever else writes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def send(self, data: bytes, may: Callable[[], bool] | None = None) -> bool:
        """Write frames, unless they may not be sent any more when it is their turn; returns whether they were."""
        view = memoryview(data)
        with self._lock:
            if may is not None and not may():
                return False
            while view:
                view = view[_write(self._fd, view) :]
        return True


class ToolError(RuntimeError):
    """Raised when a tool fails, or may not be called so.

    It is an instance of the built-in exception that the tool raised, too: ``except ValueError`` meets it.
    """


ToolError.__module__ = "builtins"


class Line:
    """By which code calls tools: while it runs and was given some, and from no other process than its own.

    Args:
        shield: calls a function that no interrupt may cut in half.
        flush: writes out what the code has printed: it comes before the call.
    """

    def __init__(self, inbox: Inbox, outbox: Outbox, shield: Callable[..., Any], flush: Callable[[], None]) -> None:
        self._inbox, self._outbox = inbox, outbox
        self._shield, self._flush = shield, flush
        self._numbers = itertools.count(1)
        self._open = False
        self._pid = 0

    def open(self) -> None:
        """Take calls from now on."""
        self._pid = _getpid()
        self._open = True

    def close(self, last: bytes) -> None:
        """Send the last frames of an execution: no call goes out behind them, and none is answered any more."""
        self._open = False
        self._inbox.release()
        self._outbox.send(last)

    def call(self, name: str, arguments: str) -> Waiter:
        """Call a tool with an object of JSON; returns whoever waits for the answer.

        Raises:
            ToolError: if this is another process.
        """
        if self._pid not in (0, _getpid()):
            raise ToolError("tools can be called by the process that the code runs in, and not by its children")
        self._flush()
        number = next(self._numbers)
        waiter = self._inbox.expect(protocol.TOOL_RESULT, number)
        self._shield(self._dispatch, protocol.call_frame(number, name, arguments), waiter)
        return waiter

    def wait(self, waiter: Waiter) -> bytes:
        """Wait for an answer, an object of JSON.

        Raises:
            ToolError: if none can come any more.
        """
        return _received(self._inbox.wait(waiter))

    async def wait_async(self, waiter: Waiter) -> bytes:
        """The same, on an event loop that others run on meanwhile."""
        return _received(await self._inbox.wait_async(waiter))

    def _dispatch(self, frame: bytes, waiter: Waiter) -> None:
        if not self._outbox.send(frame, lambda: self._open):
            self._inbox.forget(waiter)
            waiter.settle(None)


def _received(payload: bytes | None) -> bytes:
    if payload is None:
        raise ToolError("tools can be called only while code runs that was given some, and answer only until it ends")
    return payload
