"""Answers on their way: in pieces, as what is handed over at once lies in memory until the client has read it."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Message, Send

from ..web.bodies import SMALL_BYTES, Body

_PIECE_BYTES = 256 * 1024


class Sending:
    """Sends one answer, which counts to what its request holds until it is read.

    Args:
        send: waits while the client has not read what came before.
    """

    def __init__(self, send: Send, body: Body) -> None:
        self._send = send
        self._body = body
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Send a part.

        Raises:
            ServerFull: if what is to be sent is in memory as a whole and has no room; nothing of it is sent then.
        """
        if message["type"] == "http.response.start" and _is_large(message):
            self._start = message  # until it is seen whether all of it comes at once
        elif message["type"] == "http.response.body":
            await self._send_body(message)
        else:
            await self._send(message)

    async def _send_body(self, message: Message) -> None:
        content = message.get("body", b"")
        start, self._start = self._start, None
        if start is not None:
            if len(content) > _PIECE_BYTES:
                self._body.grow(max(self._body.size, len(content)))
            await self._send(start)
            await self._send_pieces(message, content)
        elif len(content) > _PIECE_BYTES:
            await self._send_counted(message, content)
        else:
            await self._send(message)

    async def _send_counted(self, message: Message, content: bytes) -> None:
        # One part of a stream, for as long as the client takes to read it.
        self._body.add(len(content))
        try:
            await self._send_pieces(message, content)
        finally:
            self._body.give_back(len(content))

    async def _send_pieces(self, message: Message, content: bytes) -> None:
        at = 0
        while len(content) - at > _PIECE_BYTES:
            piece = content[at : at + _PIECE_BYTES]
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            at += _PIECE_BYTES
        await self._send({**message, "body": content[at:]} if at else message)


def _is_large(message: Message) -> bool:
    length = Headers(raw=message.get("headers", [])).get("content-length", "")
    return length.isdecimal() and int(length) > SMALL_BYTES
