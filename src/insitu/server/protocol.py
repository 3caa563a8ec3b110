"""HTTP as uvicorn speaks it, with bounds on what comes before and after a body, and the one error body."""

from __future__ import annotations

import asyncio
import secrets
from typing import cast

from starlette.exceptions import HTTPException
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ..web.errors import error_answer
from .auth import LINGER_S

# The request line and all headers together: how long they may be, and how long they may take.
HEAD_BYTES = 64 * 1024
HEAD_S = 60.0


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose client cannot have the server keep any number of bytes, nor keep itself for nothing.

    The parser keeps a request line, a header or a trailer until it has all of it, however long that is.
    """

    _refused = False
    _in_head = True
    _head_timer: asyncio.TimerHandle | None = None
    # What came since the parser last got to the end of something.
    _unparsed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, but not for ever."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse it, unless the client has been told that it is not heard any more."""
        if self._refused:
            return
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > HEAD_BYTES and not self._refused:
            self._refuse(self._too_large())
        if self._in_head and self._unparsed and self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Refuse what came in one piece, but is too large."""
        self._unparsed = 0
        self._in_head = False
        self._stop_waiting()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._refuse(self._too_large())
            raise self._too_large()  # or the parser would go on
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take some of the body, which has a bound of its own."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to count anew."""
        self._unparsed = 0
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with the one error body."""
        if not self._refused:
            self._refuse(HTTPException(400, "the request is not valid HTTP"))

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_S, self._give_up_head)

    def _give_up_head(self) -> None:
        self._head_timer = None
        cycle: RequestResponseCycle | None = self.cycle
        if not self._refused and (cycle is None or cycle.response_complete):
            self.transport.close()

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_large(self) -> HTTPException:
        if len(getattr(self, "url", b"")) > HEAD_BYTES:
            return HTTPException(414, f"the URL has more than {HEAD_BYTES} bytes; what is long belongs into the body")
        return HTTPException(
            431, f"the request has more than {HEAD_BYTES} bytes beside its body; what is long belongs into the body"
        )

    def _refuse(self, error: HTTPException) -> None:
        self._refused = True
        before: RequestResponseCycle | None = self.cycle
        if before is not None and not before.response_complete:
            self.transport.close()  # another answer is on its way, and must not have this one in its midst
            return
        request_id = f"req_{secrets.token_hex(16)}"
        answer = error_answer(error, request_id)
        headers = [*answer.raw_headers, (b"connection", b"close"), (b"x-request-id", request_id.encode())]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[answer.status_code], lines, bytes(answer.body)))
        # Closed with unread bytes the connection would be reset, and many a client would never see the answer.
        self.timeout_keep_alive_task = self.loop.call_later(LINGER_S, self.timeout_keep_alive_handler)
