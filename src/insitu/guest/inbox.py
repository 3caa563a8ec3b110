"""What the host sends while code runs, for whoever waits for it: a thread, several, or event loops.

There is no reader of its own. Of the threads that wait one watches the descriptor, and takes in what comes for all;
the others sleep until they are woken. Event loops watch it, too, and take in what comes while no thread does.
"""

from __future__ import annotations

import functools
import os
import select
import threading
from typing import TYPE_CHECKING, Any, Callable

from . import protocol

if TYPE_CHECKING:
    import asyncio

# Code may put others in their place.
_read, _exit, _select, _get_ident = os.read, os._exit, select.select, threading.get_ident
_allocate_lock, _RLock = threading.Lock, threading.RLock
_CHUNK = 1 << 16  # small enough for the allocator to reuse
_REQUESTS = (protocol.EXECUTE, protocol.REHEARSE)
_REQUEST = (protocol.EXECUTE, 0)
# Nobody has to look again by himself; but a signal handler of the code's own may take in what its thread waits for.
_LOOK_S = 2.0

Key = tuple[int, int]


class Waiter:
    """One who waits for a frame; ``payload`` is None until it has come, and stays so if none ever will.

    Args:
        key: its kind, and the number of the call that it belongs to.
    """

    def __init__(self, key: Key) -> None:
        self.key = key
        self.payload: bytes | None = None
        self.over = False
        self.thread = 0
        self.wake: Callable[[], object] = self._ring
        self._bell = _allocate_lock()
        self._bell.acquire()

    def settle(self, payload: bytes | None) -> None:
        """Give it what it waits for; None says that it never comes."""
        self.payload, self.over = payload, True
        self.wake()

    def sleep(self) -> None:
        """Wait to be woken; this may be for nothing."""
        self._bell.acquire(timeout=_LOOK_S)

    def _ring(self) -> None:
        if self._bell.locked():
            self._bell.release()


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
        # Held for moments, and within the shield. One that a finalizer of the code's own may take again.
        self._lock = _RLock()
        self._requests: list[protocol.Frame] = []
        self._waiting: dict[Key, Waiter] = {}
        self._seen_early = False
        self._asleep: dict[Waiter, None] = {}
        self._watcher: Waiter | None = None
        self._loops: dict[Waiter, asyncio.AbstractEventLoop] = {}

    def receive(self) -> list[protocol.Frame]:
        """Wait for requests, between two cells: no interrupt is raised there."""
        waiter = self.expect(*_REQUEST)
        while not self._requests:
            self._enter(waiter)
            if self._watcher is waiter:
                self._take_in(_read(self._fd, _CHUNK))
            else:
                waiter.sleep()
        self._leave(waiter)
        requests, self._requests = self._requests, []
        return requests

    def expect(self, kind: int, number: int = 0) -> Waiter:
        """Get ready for a frame, before the host can send it; what nobody is ready for is dropped."""
        waiter = self._waiting[kind, number] = Waiter((kind, number))
        if self._seen_early and kind == protocol.SEEN:
            self._seen_early = False
            waiter.settle(b"")
        return waiter

    def forget(self, waiter: Waiter) -> None:
        """Wait no longer."""
        self._waiting.pop(waiter.key, None)

    def release(self) -> None:
        """Tell those who wait for the answer to a call that none will come."""
        self._seen_early = False
        if self._waiting:
            self._shield(self._release)

    def wait(self, waiter: Waiter) -> bytes | None:
        """Wait for the frame; returns its payload."""
        try:
            self._shield(self._enter, waiter)
            while not waiter.over:
                if self._watcher is waiter:
                    _select([self._fd], [], [], _LOOK_S)
                    self._shield(self._pump)
                else:
                    waiter.sleep()
                    self._shield(self._enter, waiter)
        finally:
            self._shield(self._leave, waiter)
        return waiter.payload

    async def wait_async(self, waiter: Waiter) -> bytes | None:
        """The same, on an event loop that others run on meanwhile."""
        import asyncio  # here: it is a large import, and few cells await

        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        waiter.wake = functools.partial(_tell, loop, future)
        try:
            self._shield(self._attend, waiter, loop)
            if not waiter.over:
                await future
        finally:
            self._shield(self._depart, waiter)
        return waiter.payload

    def _enter(self, waiter: Waiter) -> None:
        with self._lock:
            waiter.thread = _get_ident()
            # One of this very thread has been interrupted at a bad moment, or is so now.
            if self._watcher is None or self._watcher.thread == waiter.thread:
                self._watcher = waiter
                self._asleep.pop(waiter, None)
            else:
                self._asleep[waiter] = None

    def _leave(self, waiter: Waiter) -> None:
        with self._lock:
            self._waiting.pop(waiter.key, None)
            self._asleep.pop(waiter, None)
            if self._watcher is waiter:
                self._watcher = None
            if self._watcher is None:
                self._wake_one()

    def _wake_one(self) -> None:
        for waiter in self._asleep:
            waiter.wake()
            break

    def _attend(self, waiter: Waiter, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._loops[waiter] = loop
            loop.add_reader(self._fd, self._shield, self._glance)

    def _depart(self, waiter: Waiter) -> None:
        with self._lock:
            self._waiting.pop(waiter.key, None)
            loop = self._loops.pop(waiter, None)
            if loop is not None and loop not in self._loops.values():
                loop.remove_reader(self._fd)

    def _glance(self) -> None:
        with self._lock:
            watched = self._watcher is not None and self._watcher.thread != _get_ident()
            if not watched:
                return self._pump()
        _select([], [], [], 0)  # lets the thread that watches have its turn

    def _pump(self) -> None:
        with self._lock:
            # Somebody may have taken it in meanwhile.
            if _select([self._fd], [], [], 0)[0]:
                self._take_in(_read(self._fd, _CHUNK))

    def _take_in(self, data: bytes) -> None:
        if not data:
            _exit(0)
        with self._lock:
            for kind, payload in self._decoder.feed(data):
                self._deliver(kind, payload)

    def _deliver(self, kind: int, payload: bytes) -> None:
        key = (kind, 0)
        if kind in _REQUESTS:
            self._requests.append((kind, payload))
            key = _REQUEST
        elif kind == protocol.TOOL_RESULT:
            number, payload = protocol.parse_number(payload)
            key = (kind, number)
        waiter = self._waiting.pop(key, None)
        if waiter is not None:
            waiter.settle(payload)
        elif kind == protocol.SEEN:
            self._seen_early = True  # in a rehearsal nobody is there to see

    def _release(self) -> None:
        with self._lock:
            for waiter in list(self._waiting.values()):
                if waiter.key[0] == protocol.TOOL_RESULT:
                    self._waiting.pop(waiter.key, None)
                    waiter.settle(None)


def _tell(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> None:
    try:
        loop.call_soon_threadsafe(_settle, future)
    except RuntimeError:
        pass  # it has been closed, and whoever waited on it is gone


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
