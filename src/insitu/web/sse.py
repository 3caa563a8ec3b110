"""Server-sent events: a stream that says that it lives, and how it failed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from functools import partial
from typing import cast

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..errors import foreseen
from .encoding import dumps
from .errors import ClientGone, described, error_body
from .service import Service

KEEP_ALIVE = b": keep-alive\n\n"
_MOST_HELD_BYTES = 64 * 1024
# Python's str.splitlines(), by which some clients read, ends lines at these, too; code can print them.
_LINE_ENDS = ((b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"), (b"\xc2\x85", rb"\u0085"))
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx would hold the events back until its buffer is full.
    (b"x-accel-buffering", b"no"),
]


def encode(kind: str, data: bytes, seq: int | None = None) -> bytes:
    """One event in the form of the wire; one ``data`` line holds all of its JSON, which has no line break."""
    numbered = b"" if seq is None else b"id: %d\n" % seq
    return b"%bevent: %b\ndata: %b\n\n" % (numbered, kind.encode(), _one_line(data))


def encode_unnamed(data: bytes) -> bytes:
    """The same of an event that has no name."""
    return b"data: %b\n\n" % _one_line(data)


def _one_line(data: bytes) -> bytes:
    for end, escaped in _LINE_ENDS:
        data = data.replace(end, escaped)
    return data


def encode_error(exc: Exception, request_id: str) -> bytes:
    """An error in the midst of a stream, with the body that it would have had before."""
    return encode("error", dumps({"error": error_body(described(exc, request_id))}))


class EventStream(Response):
    """The answer whose body is a stream of encoded events.

    Until something was sent, be it a keep-alive, any error is a plain HTTP error; from then on it is an event.

    Args:
        events: what to send; closed at the end, and when the client goes away.
        on_error: an exception and the request's id as the last event.
        keep_alive: what is sent when nothing else was for a while.
        cut: once it is set, the client is cut off, whatever it has read.
        beside: what runs meanwhile and ends with the stream.
    """

    def __init__(
        self,
        service: Service,
        events: AsyncIterator[bytes],
        *,
        on_error: Callable[[Exception, str], bytes] = encode_error,
        keep_alive: bytes = KEEP_ALIVE,
        cut: anyio.Event | None = None,
        beside: Sequence[Callable[[], Coroutine[None, None, None]]] = (),
    ) -> None:
        super().__init__()
        self.service = service
        self.events = cast("AsyncGenerator[bytes]", events)
        self.on_error = on_error
        self.keep_alive = keep_alive
        self.cut = cut or anyio.Event()
        self.beside = beside
        self._reading = anyio.CancelScope()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writer = Writer(send)
        keep_alive = partial(writer.keep_alive, self.service.settings.keepalive_s, self.keep_alive)
        try:
            await self.service.while_connected(
                receive, partial(self._pump, writer), writer.send_written, keep_alive, self._wait_for_cut, *self.beside
            )
        except ClientGone:
            raise
        except Exception as exc:
            if not writer.started:
                raise
            request_id = scope["insitu.request_id"]
            await writer.write(self.on_error(foreseen(exc, request_id), request_id))
        await writer.end()

    async def _pump(self, writer: Writer) -> None:
        with self._reading:
            try:
                async with aclosing(self.events) as events:
                    async for event in events:
                        await writer.write(event)
            finally:
                await writer.flush()
        if self._reading.cancelled_caught:
            raise ClientGone

    async def _wait_for_cut(self) -> None:
        await self.cut.wait()
        self._reading.cancel()


class Writer:
    """Writes a stream's parts; those that come in one go are sent as one, and the headers go out with the first."""

    def __init__(self, send: Send) -> None:
        self.started = False
        self._send = send
        self._parts: list[bytes] = []
        self._held = 0
        self._written = anyio.Event()
        self._lock = anyio.Lock(fast_acquire=True)
        self._last = anyio.current_time()

    async def write(self, data: bytes) -> None:
        """Have the data sent soon; waits while much is held that the client does not read."""
        self._parts.append(data)
        self._held += len(data)
        self._written.set()
        if self._held >= _MOST_HELD_BYTES:
            await self.flush()

    async def send_written(self) -> None:
        """Send what is written, once whoever writes waits for more."""
        while True:
            await self._written.wait()
            self._written = anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Send what is held; waits while the client does not read."""
        async with self._lock:
            parts, self._parts, self._held = self._parts, [], 0
            if parts:
                await self._send_body(b"".join(parts))

    async def _send_body(self, data: bytes) -> None:
        if not self.started:
            self.started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._last = anyio.current_time()

    async def keep_alive(self, interval_s: float, data: bytes) -> None:
        """Write ``data`` whenever nothing else was written for so long."""
        while True:
            silent = anyio.current_time() - self._last
            if silent >= interval_s:
                await self.write(data)
                await self.flush()
            else:
                await anyio.sleep(interval_s - silent)

    async def end(self) -> None:
        """Send what is held, and the end of the body, which may be empty."""
        await self.flush()
        if not self.started:
            await self._send_body(b"")
        await self._send({"type": "http.response.body", "body": b""})
