"""Requests and replies, with descriptors, over a seqpacket socket to a process that is trusted."""

from __future__ import annotations

import array
import itertools
import json
import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.lowlevel

from ...errors import SandboxFailed

_log = logging.getLogger("insitu.isolation")

_MOST_SAID = 4096
_SPACE = socket.CMSG_SPACE(16 * array.array("i").itemsize)


def pair() -> tuple[socket.socket, socket.socket]:
    """The server's end, which never blocks, and the other's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


async def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next packet and its descriptors; None once the other side is gone.

    Raises:
        SandboxFailed: if it sends what is no packet.
    """
    while True:
        try:
            # `socket.recv_fds` passes no flags on, and no program that is started may inherit what comes here.
            data, ancillary, _, _ = sock.recvmsg(1 << 16, _SPACE, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            await anyio.wait_readable(sock)
            continue
        except ConnectionResetError:
            return None
        descriptors = array.array("i")
        for _, _, payload in ancillary:
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
        return (_parsed(data, descriptors), list(descriptors)) if data else None


def _parsed(data: bytes, descriptors: Sequence[int]) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    _close(descriptors)
    raise SandboxFailed("a process of the sandboxes' own sent what is no packet")


def _close(descriptors: Sequence[int]) -> None:
    for fd in descriptors:
        os.close(fd)


async def send(sock: socket.socket, body: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one packet."""
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
    data = json.dumps(body).encode()
    while True:
        try:
            sock.sendmsg([data], ancillary if descriptors else [])
            return
        except BlockingIOError:
            await anyio.wait_writable(sock)


class _Waiter:
    def __init__(self) -> None:
        self.event = anyio.Event()
        self.reply: dict[str, Any] = {}
        self.descriptors: list[int] = []


class Caller:
    """Calls to one process; any number at once, told apart by their number."""

    def __init__(self, sock: socket.socket, who: str) -> None:
        self._sock = sock
        self._who = who
        self._numbers = itertools.count(1)
        self._waiting: dict[int, _Waiter] = {}
        self.alive = True
        self.gone = anyio.Event()

    async def serve(self, on_news: Callable[[dict[str, Any]], None] | None = None) -> None:
        """Hand replies to their callers until the process is gone; what answers no call goes to ``on_news``."""
        try:
            while packet := await receive(self._sock):
                body, descriptors = packet
                number = body.get("id")
                waiter = self._waiting.pop(number, None) if isinstance(number, int) else None
                if waiter is not None:
                    waiter.reply, waiter.descriptors = body, descriptors
                    waiter.event.set()
                    continue
                _close(descriptors)  # the caller gave up
                if on_news is not None and "id" not in body:
                    on_news(body)
        except SandboxFailed:
            _log.exception("the %s is given up", self._who)
        finally:
            self.alive = False
            self.gone.set()
            for waiter in self._waiting.values():
                waiter.event.set()
            self._waiting.clear()

    async def call(self, body: dict[str, Any], descriptors: Sequence[int] = ()) -> tuple[int, int]:
        """Make a call; returns its number and the one descriptor of its answer.

        Raises:
            SandboxFailed: if the process is gone, or says that it could not.
        """
        number = next(self._numbers)
        waiter = _Waiter()
        if not self.alive:
            raise SandboxFailed(f"the {self._who} is gone")
        self._waiting[number] = waiter
        try:
            await send(self._sock, {**body, "id": number}, descriptors)
            await waiter.event.wait()
        except OSError as error:
            raise SandboxFailed(f"the {self._who} is gone: {error}") from error
        except BaseException:
            _close(waiter.descriptors)
            raise
        finally:
            self._waiting.pop(number, None)
        if not waiter.reply:
            # Where all is cancelled together, that is the news, and not that the process is gone.
            await anyio.lowlevel.checkpoint_if_cancelled()
        if not waiter.reply or "error" in waiter.reply or len(waiter.descriptors) != 1:
            _close(waiter.descriptors)
            why = waiter.reply.get("error", "its answer is none") if waiter.reply else "it is gone"
            raise SandboxFailed(f"the {self._who} could not: {str(why)[:_MOST_SAID]}")
        return number, waiter.descriptors[0]

    def close(self) -> None:
        """Close the socket."""
        self.alive = False
        self._sock.close()
