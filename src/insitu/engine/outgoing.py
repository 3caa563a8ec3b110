"""What goes to an interpreter, at the pace at which it reads."""

from __future__ import annotations

import os
import select

_WRITE = 1 << 18


class Outgoing:
    """Frames on their way into a pipe that does not block; ``epoll`` tells when it has room again."""

    def __init__(self, fd: int, epoll: select.epoll) -> None:
        self._fd, self._epoll = fd, epoll
        self._unsent = bytearray()

    def __len__(self) -> int:
        return len(self._unsent)

    def send(self, frame: bytes) -> None:
        """Send a frame, behind those before; what does not fit now goes out by :meth:`go_on`."""
        waits = bool(self._unsent)
        self._unsent += frame
        if not waits:
            self._flush()
            if self._unsent:
                self._epoll.register(self._fd, select.EPOLLOUT)

    def go_on(self) -> None:
        """Send more: there is room."""
        self._flush()
        if not self._unsent:
            self._epoll.unregister(self._fd)

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._fd, memoryview(self._unsent)[:_WRITE])]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent.clear()  # who reads is dead, which its pidfd will tell
