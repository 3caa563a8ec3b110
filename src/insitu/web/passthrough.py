"""Requests that go to the model server as they are, and its answers that come back as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from urllib.parse import unquote_to_bytes

import anyio
import httpx2
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ..errors import NotFound, NoUpstream, UpstreamFailed, UpstreamLoops, UpstreamTimeout
from ..turn.upstream import Upstream
from .service import Service, key_of
from .wire import body_chunks

ROOT = b"/v1/"
# Of one connection, and not of the request (RFC 9110, section 7.6.1); and what each side says for itself.
_OF_THE_CONNECTION = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",  # codespell:ignore te
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_KEYS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key", b"cookie"})
# Whose the key is: the operator's own belongs to none of the caller's.
_ABOUT_KEYS = frozenset({b"openai-organization", b"openai-project"})
_NOT_UP = _OF_THE_CONNECTION | _KEYS | {b"host", b"expect"}
# A page or a script from there must not act as one of this server, however a browser comes by it.
_HARMLESS = [(b"x-content-type-options", b"nosniff"), (b"content-security-policy", b"sandbox; default-src 'none'")]
# What a browser would take as said of this server, and the headers that this server sets itself.
_NOT_DOWN = (
    _OF_THE_CONNECTION
    | {b"alt-svc", b"clear-site-data", b"service-worker-allowed", b"set-cookie", b"strict-transport-security", b"date"}
    | {name for name, _ in _HARMLESS}
)
_CORS = b"access-control-"
_RENAMED = {b"x-request-id": b"x-upstream-request-id"}
_MOST_ENCODINGS = 4
# Through which servers a request has come: one whose upstream leads back to itself would ask itself for ever.
_THROUGH = b"insitu-through"

Headers = Iterable[tuple[bytes, bytes]]


class PassThrough(Response):
    """The model server's answer to a request, byte for byte and as it comes.

    Args:
        content: instead of the request's own body, for bodies that were read already.
    """

    def __init__(self, service: Service, request: Request, content: bytes | None = None) -> None:
        super().__init__()
        self.service = service
        self.request = request
        self.content = content
        self._uploaded = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.service.while_connected(self._receive, partial(self._forward, send))

    async def _forward(self, send: Send) -> None:
        upstream = self.service.turns.upstream
        async with _answer(upstream, self._upstream_request(upstream)) as answer:
            self._uploaded.set()  # it need not have wanted all of it
            await send({"type": "http.response.start", "status": _status(answer), "headers": _down(answer)})
            async for chunk in answer.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _upstream_request(self, upstream: Upstream) -> httpx2.Request:
        if not upstream.url:
            raise NoUpstream
        self._refuse_loop(upstream)
        dropped = _NOT_UP if self.service.settings.upstream_forward_key else _NOT_UP | _ABOUT_KEYS
        headers = list(_up(self.request.headers.raw, dropped, replaced=self.content is not None))
        headers.append((_THROUGH, self.service.id.encode()))
        if key := upstream.key_for(key_of(self.request)):
            headers.append((b"authorization", f"Bearer {key}".encode("latin-1", "replace")))
        target = upstream_target(upstream.url, self.request.scope)
        return httpx2.Request(
            self.request.method,
            upstream.url,
            headers=headers,
            content=self._content(),
            # As it came: the client library would write some of its characters in another way.
            extensions={"target": target},
        )

    def _refuse_loop(self, upstream: Upstream) -> None:
        if self.service.id in self.request.headers.getlist(_THROUGH.decode()):
            raise UpstreamLoops(
                f"the model server at {upstream.url} is this server itself, or asks it",
                hint="see that the setting upstream is the address of the model server",
            )

    def _content(self) -> bytes | AsyncIterator[bytes] | None:
        if self.content is not None:
            self._uploaded.set()
            return self.content
        if "content-length" in self.request.headers or "transfer-encoding" in self.request.headers:
            return self._upload()
        self._uploaded.set()
        return None

    async def _upload(self) -> AsyncIterator[bytes]:
        async with aclosing(body_chunks(self.request)) as chunks:
            async for chunk in chunks:
                yield chunk
        self._uploaded.set()

    async def _receive(self) -> Message:
        # Until the body has been read, whoever reads it sees whether the client leaves.
        await self._uploaded.wait()
        return await self.request.receive()


def upstream_target(url: str, scope: Scope) -> bytes:
    """What is asked of the model server: the path below its base URL, and the query, to the letter as they came.

    Raises:
        NotFound: if the path might lead out of the base URL.
    """
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    below = path.removeprefix(ROOT)
    if below == path or not below or below.startswith(b"/") or _climbs(below):
        raise NotFound("there is no such route", hint="/docs lists all routes")
    target = httpx2.URL(url).raw_path.rstrip(b"/") + b"/" + below
    return target + b"?" + query if query else target


def _climbs(path: bytes) -> bool:
    # Nobody knows how often the server behind decodes it.
    for _ in range(_MOST_ENCODINGS):
        decoded = unquote_to_bytes(path)
        if decoded == path:
            parts = path.replace(b"\\", b"/").split(b"/")
            return any(part.partition(b";")[0] in (b".", b"..") for part in parts)
        path = decoded
    return True


@asynccontextmanager
async def _answer(upstream: Upstream, request: httpx2.Request) -> AsyncIterator[httpx2.Response]:
    try:
        answer = await upstream.http.send(request, stream=True)
        try:
            yield answer
        finally:
            await answer.aclose()
    except httpx2.TimeoutException as exc:
        raise UpstreamTimeout(
            f"the model server at {upstream.url} did not answer in time ({type(exc).__name__})",
            hint="the setting upstream_timeout_s is the limit",
        ) from None
    except httpx2.HTTPError as exc:
        raise UpstreamFailed(
            f"the model server at {upstream.url} cannot be reached, or broke off: {str(exc) or type(exc).__name__}",
            hint="see that it runs, and that the setting upstream is its address",
        ) from None


def _up(headers: Headers, dropped: frozenset[bytes], *, replaced: bool) -> Iterable[tuple[bytes, bytes]]:
    headers = list(headers)
    dropped |= _named_by_connection(headers)
    if replaced:
        dropped |= {b"content-length"}
    return [(name, value) for name, value in headers if name not in dropped]


def _status(answer: httpx2.Response) -> int:
    if not 200 <= answer.status_code <= 599:
        raise UpstreamFailed(
            f"the model server answered with the status {answer.status_code}, which HTTP does not have"
        )
    return answer.status_code


def _down(answer: httpx2.Response) -> list[tuple[bytes, bytes]]:
    headers = answer.headers
    named = [(name.lower(), value) for name, value in headers.raw]
    dropped = _NOT_DOWN | _named_by_connection(named)
    if "transfer-encoding" in headers or answer.status_code == 204:
        dropped |= {b"content-length"}  # of a body that is of another length, or not there (RFC 9112, section 6)
    kept = [each for each in named if each[0] not in dropped and not each[0].startswith(_CORS)]
    return [*((_RENAMED.get(name, name), value) for name, value in kept), *_HARMLESS]


def _named_by_connection(headers: Headers) -> frozenset[bytes]:
    return frozenset(
        part.strip().lower() for name, value in headers if name == b"connection" for part in value.split(b",")
    )
