"""Calls over HTTP, in both colours."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from contextlib import aclosing, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar
from urllib.parse import urlsplit

import httpx2

from insitu import __version__
from insitu.errors import EngineClosed, InvalidRequest

from .answers import UNREADABLE, broken_off, event, failure, foreign, reaching

if TYPE_CHECKING:
    from insitu.types import Event

    from .calls import Call

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8700"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is, and how long to wait for it."""

    url: str
    api_key: str | None = field(repr=False)
    connect_timeout_s: float
    read_timeout_s: float

    @classmethod
    def named(cls, url: str | None, api_key: str | None, connect_timeout_s: float, read_timeout_s: float) -> Server:
        """The one of the arguments, else of ``INSITU_URL`` and ``INSITU_API_KEY``, else of this machine."""
        url = (url or os.environ.get("INSITU_URL") or DEFAULT_URL).rstrip("/")
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise InvalidRequest(f"{url!r} is no server's address", hint=f"write it like {DEFAULT_URL}")
        if url.endswith("/v1"):
            raise InvalidRequest(
                f"{url!r} ends in /v1, as base URLs for OpenAI's clients do",
                hint=f"leave that out: {url.removesuffix('/v1')}",
            )
        return cls(url, api_key or os.environ.get("INSITU_API_KEY"), connect_timeout_s, read_timeout_s)

    def http_options(self) -> _HttpOptions:
        """The arguments of an HTTP client for this server."""
        # A server on this machine is behind no proxy and shows no certificate; loading those costs 50 ms.
        remote = not self.url.startswith("http://") or urlsplit(self.url).hostname not in _LOOPBACK
        headers = {"User-Agent": f"insitu-python/{__version__}"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return {
            "base_url": self.url,
            "headers": headers,
            "verify": remote,
            "trust_env": remote,
            "timeout": httpx2.Timeout(self.read_timeout_s, connect=self.connect_timeout_s, pool=None),
            # Proxies drop a connection that is idle for a minute: let go before, not as a call sets out.
            "limits": httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0),
        }


class _HttpOptions(TypedDict):
    base_url: str
    headers: dict[str, str]
    verify: bool
    trust_env: bool
    timeout: httpx2.Timeout
    limits: httpx2.Limits


class Transport:
    """Sends calls to one server, from any thread."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self._http = httpx2.Client(**server.http_options())

    def send(self, call: Call[T], content: Iterable[bytes] | None = None) -> T:
        """The answer of a call.

        Raises:
            InsituError: what the server answered in place of it, or ``ServerUnreachable``.
        """
        request = self._request(call, content)
        with reaching(self.url):
            response = self._http.send(request)
        return _answer(call, response)

    def events(self, call: Call[Any]) -> Generator[Event]:
        """The log of an execution as it grows; closing this early cancels the execution."""
        return self.follow(call, event, "the execution's end")

    def follow(self, call: Call[Any], read: Callable[[httpx2.ServerSentEvent], T | None], end: str) -> Generator[T]:
        """What the events of a stream mean, those that mean something; the last of a whole stream is ``finished``.

        Args:
            end: what is missing where a stream is not whole, in words.

        Raises:
            InsituError: what broke the stream off.
        """
        ended = False
        with closing(self.stream(call)) as stream:
            for sse in stream:
                if (meant := read(sse)) is not None:
                    yield meant
                ended = sse.event == "finished"
        if not ended:
            raise broken_off(self.url, end)

    def stream(self, call: Call[Any]) -> Generator[httpx2.ServerSentEvent]:
        """The answer's server-sent events, as they come; closing this early drops the connection."""
        with reaching(self.url):
            response = self._open(call)
            try:
                # To the very end and not to the last event only, so that the connection can be used again.
                yield from httpx2.EventSource(response, max_event_size=None)
            finally:
                response.close()

    def download(self, call: Call[bytes]) -> Generator[bytes]:
        """The answer's bytes, as they come."""
        with reaching(self.url):
            response = self._open(call)
            try:
                yield from response.iter_bytes()
            finally:
                response.close()

    def close(self) -> None:
        """Drops all connections."""
        self._http.close()

    def _open(self, call: Call[Any]) -> httpx2.Response:
        response = self._http.send(self._request(call), stream=True)
        if response.is_success:
            return response
        response.read()
        raise failure(response)

    def _request(self, call: Call[Any], content: Iterable[bytes] | None = None) -> httpx2.Request:
        if self._http.is_closed:
            raise _closed()
        return self._http.build_request(call.method, call.path, params=call.query, **_body(call, content))


class AsyncTransport:
    """Sends calls to one server, from the tasks of one event loop."""

    def __init__(self, server: Server) -> None:
        self.url = server.url
        self._http = httpx2.AsyncClient(**server.http_options())

    async def send(self, call: Call[T], content: AsyncIterable[bytes] | None = None) -> T:
        """The answer of a call.

        Raises:
            InsituError: what the server answered in place of it, or ``ServerUnreachable``.
        """
        request = self._request(call, content)
        with reaching(self.url):
            response = await self._http.send(request)
        return _answer(call, response)

    def events(self, call: Call[Any]) -> AsyncGenerator[Event]:
        """The log of an execution as it grows; closing this early cancels the execution."""
        return self.follow(call, event, "the execution's end")

    async def follow(
        self, call: Call[Any], read: Callable[[httpx2.ServerSentEvent], T | None], end: str
    ) -> AsyncGenerator[T]:
        """What the events of a stream mean, as from ordinary code."""
        ended = False
        async with aclosing(self.stream(call)) as stream:
            async for sse in stream:
                if (meant := read(sse)) is not None:
                    yield meant
                ended = sse.event == "finished"
        if not ended:
            raise broken_off(self.url, end)

    async def stream(self, call: Call[Any]) -> AsyncGenerator[httpx2.ServerSentEvent]:
        """The answer's server-sent events, as they come; closing this early drops the connection."""
        with reaching(self.url):
            response = await self._open(call)
            try:
                # To the very end and not to the last event only, so that the connection can be used again.
                async for sse in httpx2.EventSource(response, max_event_size=None):
                    yield sse
            finally:
                await response.aclose()

    async def download(self, call: Call[bytes]) -> AsyncGenerator[bytes]:
        """The answer's bytes, as they come."""
        with reaching(self.url):
            response = await self._open(call)
            try:
                async for chunk in response.aiter_bytes():
                    yield chunk
            finally:
                await response.aclose()

    async def close(self) -> None:
        """Drops all connections."""
        await self._http.aclose()

    async def _open(self, call: Call[Any]) -> httpx2.Response:
        response = await self._http.send(self._request(call), stream=True)
        if response.is_success:
            return response
        await response.aread()
        raise failure(response)

    def _request(self, call: Call[Any], content: AsyncIterable[bytes] | None = None) -> httpx2.Request:
        if self._http.is_closed:
            raise _closed()
        return self._http.build_request(call.method, call.path, params=call.query, **_body(call, content))


def _body(call: Call[Any], content: bytes | Iterable[bytes] | AsyncIterable[bytes] | None) -> dict[str, Any]:
    if content is not None:
        return {"content": content, "headers": {"Content-Type": call.content_type}}
    if call.body is None:
        return {}
    # ASCII, so that any string can be sent and it is the server that judges it.
    return {"content": json.dumps(call.body).encode(), "headers": {"Content-Type": "application/json"}}


def _answer(call: Call[T], response: httpx2.Response) -> T:
    if not response.is_success:
        raise failure(response)
    try:
        return call.read(response.json() if response.content else None)
    except UNREADABLE as error:
        raise foreign(response) from error


def _closed() -> EngineClosed:
    return EngineClosed("this client is closed", hint="make a new one; a client lasts as long as its `with` block")
