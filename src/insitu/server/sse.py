"""An execution as server-sent events, while it runs."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from functools import partial

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..engine import RunningExecution
from ..types import Event
from .encoding import dumps
from .errors import ClientGone, error_body
from .service import Service

KEEP_ALIVE = b": keep-alive\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx would hold the events back until its buffer is full.
    (b"x-accel-buffering", b"no"),
]


class EventStream(Response):
    """The answer whose body is the execution's log, as it grows.

    Until the first event any error is a plain HTTP error; from then on it is the event ``error``.
    """

    def __init__(self, service: Service, start: AbstractAsyncContextManager[RunningExecution]) -> None:
        super().__init__()
        self.service = service
        self.start = start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        writer = Writer(send)
        keep_alive = partial(writer.keep_alive, self.service.settings.keepalive_s)
        try:
            await self.service.while_connected(receive, partial(self._pump, writer), keep_alive)
        except ClientGone:
            raise
        except Exception as exc:
            if not writer.started:
                raise
            await writer.write(encode("error", dumps(error_body(exc, scope["insitu.request_id"]))))
        await writer.end()

    async def _pump(self, writer: Writer) -> None:
        async with self.start as execution:
            async for event in execution.events():
                await writer.write(encode_event(event))
                if event.kind == "finished":
                    self.service.metrics.executions[event.data["outcome"]] += 1


class Writer:
    """Writes a stream's parts one at a time; the headers go out with the first."""

    def __init__(self, send: Send) -> None:
        self.started = False
        self._send = send
        self._lock = anyio.Lock(fast_acquire=True)
        self._last = anyio.current_time()

    async def write(self, data: bytes) -> None:
        """Send the data; waits while the client does not read."""
        async with self._lock:
            if not self.started:
                self.started = True
                await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
            self._last = anyio.current_time()

    async def keep_alive(self, interval_s: float) -> None:
        """Write a comment whenever nothing else was written for so long."""
        while True:
            silent = anyio.current_time() - self._last
            if silent >= interval_s:
                await self.write(KEEP_ALIVE)
            else:
                await anyio.sleep(interval_s - silent)

    async def end(self) -> None:
        """Send the end of the body."""
        await self._send({"type": "http.response.body", "body": b""})


def encode_event(event: Event) -> bytes:
    """One event of the log in the form of the wire."""
    return b"id: %d\n%b" % (event.seq, encode(event.kind, dumps(event.data)))


def encode(kind: str, data: bytes) -> bytes:
    """JSON holds no line break, so that one ``data`` line holds it all."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)
