"""What the host sends while code runs, for whoever waits for it: a thread, several, or an event loop.

There is no reader of its own. Of the threads that wait, one reads for all; an event loop watches the descriptor.
"""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING, Any, Callable

from . import protocol

if TYPE_CHECKING:
    import asyncio

_read, _exit = os.read, os._exit  # code may put others in their place
_CHUNK = 1 << 16  # small enough for the allocator to reuse
_TURN_S = 0.05
_REQUESTS = (protocol.EXECUTE, protocol.REHEARSE)


class Inbox:
    """Takes frames from a descriptor.

    Args:
        fd: where the host writes.
        max_payload: of one frame, in bytes.
        shield: calls a function that no interrupt may cut in half.
    """

    def __init__(self, fd: int, max_payload: int, shield: Callable[..., Any]) -> None:
        self._fd = fd
        self._decoder = protocol.Decoder(max_payload)
        self._shield = shield
        self._changed = threading.Condition(threading.Lock())
        self._reading = False
        self._requests: list[protocol.Frame] = []
        self._frames: dict[tuple[int, int], bytes] = {}
        self._futures: dict[tuple[int, int], tuple[asyncio.AbstractEventLoop, asyncio.Future[bytes]]] = {}

    def receive(self) -> list[protocol.Frame]:
        """Wait for requests, between two cells, when nobody else reads."""
        self._pump()
        requests, self._requests = self._requests, []
        return requests

    def clear(self) -> None:
        """Forget what nobody has asked for."""
        self._frames.clear()
        self._futures.clear()

    def wait(self, kind: int, number: int = 0) -> bytes:
        """Wait for a frame of this kind and number; returns its payload without the number."""
        key = (kind, number)
        while True:
            with self._changed:
                while self._reading and key not in self._frames:
                    # A reader that an interrupt has ended tells nobody in the worst case.
                    self._changed.wait(_TURN_S)
                if key in self._frames:
                    return self._frames.pop(key)
                self._reading = True
            try:
                select.select([self._fd], [], [])
                self._shield(self._pump)
            finally:
                with self._changed:
                    self._reading = False
                    self._changed.notify_all()

    async def wait_async(self, kind: int, number: int) -> bytes:
        """The same, on an event loop that others run on meanwhile."""
        import asyncio  # here: it is a large import, and few cells await

        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        self._futures[kind, number] = loop, future
        self._watch(loop)
        try:
            return await future
        finally:
            self._futures.pop((kind, number), None)
            if not any(waiter is loop for waiter, _ in self._futures.values()):
                loop.remove_reader(self._fd)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        def readable() -> None:
            with self._changed:
                if self._reading:
                    return
                self._reading = True
            try:
                if select.select([self._fd], [], [], 0)[0]:
                    self._shield(self._pump)
            finally:
                with self._changed:
                    self._reading = False
                    self._changed.notify_all()

        loop.add_reader(self._fd, readable)

    def _pump(self) -> None:
        data = _read(self._fd, _CHUNK)
        if not data:
            _exit(0)
        for kind, payload in self._decoder.feed(data):
            if kind in _REQUESTS:
                self._requests.append((kind, payload))
            else:
                self._deliver(*_addressed(kind, payload))

    def _deliver(self, key: tuple[int, int], payload: bytes) -> None:
        waiting = self._futures.pop(key, None)
        if waiting is not None:
            loop, future = waiting
            loop.call_soon_threadsafe(_settle, future, payload)
        else:
            with self._changed:
                self._frames[key] = payload


def _addressed(kind: int, payload: bytes) -> tuple[tuple[int, int], bytes]:
    if kind == protocol.TOOL_RESULT:
        (number,) = protocol.NUMBER.unpack_from(payload)
        return (kind, number), payload[protocol.NUMBER.size :]
    return (kind, 0), payload


def _settle(future: asyncio.Future[bytes], payload: bytes) -> None:
    if not future.done():
        future.set_result(payload)
