"""One connection of an HTTP server that must be able to fail in ways which no real server offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import anyio
import h11
from anyio.abc import SocketStream


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came, with the names of headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Connection:
    """Requests that come one after the other, and the answer to each.

    Args:
        last: whether there is none after the first.

    Attributes:
        client_gone: whether the client has closed it.
    """

    def __init__(self, stream: SocketStream, *, last: bool = False) -> None:
        self.client_gone = False
        self._more = {"connection": "close"} if last else {}
        self._head = False
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)

    @property
    def answered(self) -> bool:
        """Whether all of the answer to the last request was sent."""
        return self._http.our_state in {h11.DONE, h11.MUST_CLOSE}

    async def request(self) -> Request | None:
        """The next request; None if there can be no more."""
        if self._http.our_state is h11.MUST_CLOSE:
            await self._finish()
        elif self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        try:
            return await self._read()
        except h11.RemoteProtocolError:
            return None

    async def run(self, answer: Callable[[], Awaitable[None]]) -> None:
        """Answer, for as long as the client is there."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch, tasks.cancel_scope)
            await answer()
            tasks.cancel_scope.cancel()

    async def respond(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A whole answer."""
        await self.start(status, {**headers, "content-length": str(len(body))})
        if not self._head:
            await self.send(body)
        await self.end()

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """An answer's head; without a length the body is chunked."""
        await self._write(h11.Response(status_code=status, headers=list({**headers, **self._more}.items())))

    async def send(self, data: bytes) -> None:
        """A piece of the body; a chunk of its own where it is chunked."""
        await self._write(h11.Data(data=data))

    async def end(self) -> None:
        """The end of the body."""
        await self._write(h11.EndOfMessage())

    async def _read(self) -> Request | None:
        event = await self._event()
        if not isinstance(event, h11.Request):
            return None
        self._head = event.method == b"HEAD"
        body = bytearray()
        while isinstance(piece := await self._event(), h11.Data):
            body += piece.data
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        return Request(event.method.decode(), event.target.decode("latin-1"), headers, bytes(body))

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._receive())
        return event

    async def _receive(self) -> bytes:
        try:
            return await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            self.client_gone = True
            return b""

    async def _watch(self, answering: anyio.CancelScope) -> None:
        while data := await self._receive():
            self._http.receive_data(data)
        answering.cancel()

    async def _write(self, event: h11.Event) -> None:
        try:
            await self._stream.send(self._http.send(event) or b"")
        except anyio.BrokenResourceError:
            await anyio.sleep_forever()  # the watch has seen it too, and ends the answer

    async def _finish(self) -> None:
        await self._stream.send_eof()
        while await self._receive():
            pass
