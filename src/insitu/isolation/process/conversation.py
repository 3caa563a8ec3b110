"""What is asked of a sandbox's agent, and what it answers: one question at a time."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio

from ...errors import SandboxFailed
from ...guest import protocol
from ...types import MIB
from ..base import AgentRefused

_MAX_REPLY = 2 * MIB
_TIMEOUT_S = 30.0
_MOST_SAID = 1000


class Conversation:
    """The host's end of an agent's socket.

    Args:
        give_up: is called when nobody knows any more where in a frame the two stand.
    """

    def __init__(self, give_up: Callable[[], None]) -> None:
        self._give_up = give_up
        self._lock = anyio.Lock(fast_acquire=True)
        self._decoder = protocol.Decoder(_MAX_REPLY)
        self._socket: socket.socket | None = None
        self._number = 0

    def begin(self, sock: socket.socket) -> None:
        """Speak by this socket, which does not block, from now on."""
        self._socket = sock

    @property
    def begun(self) -> bool:
        """Whether it has begun, and not ended."""
        return self._socket is not None

    async def request(
        self, do: str, tail: bytes, descriptors: Sequence[int], arguments: Mapping[str, Any]
    ) -> tuple[dict[str, Any], bytes]:
        """Ask for something; returns the answer and the bytes behind it.

        Raises:
            AgentRefused: if it cannot be done.
            SandboxFailed: if the agent does not answer as one does.
        """
        self._number += 1
        number = self._number
        frame = protocol.json_frame(protocol.REQUEST, {"id": number, "do": do, **arguments}, tail)
        async with self._lock:
            try:
                # A frame that was cut short would garble all that follow: once begun, it is finished.
                with anyio.fail_after(_TIMEOUT_S, shield=True):
                    return await self._converse(number, frame, descriptors)
            except (OSError, TimeoutError, protocol.ProtocolError) as error:
                self._give_up()
                why = str(error) or f"no answer within {_TIMEOUT_S:g} s"
                raise SandboxFailed(f"the sandbox's agent does not answer: {why}") from error

    async def _converse(self, number: int, frame: bytes, descriptors: Sequence[int]) -> tuple[dict[str, Any], bytes]:
        if self._socket is None:
            raise SandboxFailed("the sandbox is closed")
        if descriptors:
            await _send_descriptors(self._socket, frame[:1], descriptors)
            frame = frame[1:]
        await send_all(self._socket.fileno(), frame)
        while True:
            await anyio.wait_readable(self._socket)
            data = self._socket.recv(1 << 18)
            if not data:
                raise SandboxFailed("the sandbox's agent is gone")
            if frames := list(self._decoder.feed(data)):
                return _reply(frames, number)

    async def end(self) -> None:
        """Close the socket; whoever waits for an answer is woken by the agent's death before."""
        async with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None


def _reply(frames: Sequence[protocol.Frame], number: int) -> tuple[dict[str, Any], bytes]:
    """The one answer to the request that was made."""
    kind, payload = frames[0]
    body, tail = protocol.parse_json(payload)
    if len(frames) > 1 or body.get("id") != number or kind not in (protocol.REPLY, protocol.REFUSED):
        raise protocol.ProtocolError("it answers what was not asked")
    if protocol.is_deep(body):
        raise protocol.ProtocolError("its answer is nested too deep")
    if kind == protocol.REFUSED:
        raise AgentRefused(str(body.get("errno"))[:_MOST_SAID], str(body.get("message"))[:_MOST_SAID])
    return body, tail


async def _send_descriptors(sock: socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    while True:
        try:
            socket.send_fds(sock, [data], list(descriptors))
            return
        except BlockingIOError:
            await anyio.wait_writable(sock)


async def send_all(fd: int, data: bytes) -> None:
    """Send all of it on a socket or a pipe that does not block."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await anyio.wait_writable(fd)
