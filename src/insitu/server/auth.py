"""Who may ask: keys and owners; without keys, only programs of this machine and never a web page."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Forbidden, InsituError, TooLarge, Unauthorized, WorkspaceFull, foreseen
from ..heavy import working_for
from ..settings import Settings
from ..web.bodies import Bodies, Body
from ..web.dialect import KEY_HINT, Dialect
from ..web.errors import ClientGone, error_answer
from ..web.metrics import Metrics
from ..web.misplaced import spoken
from .sending import Sending

_log = logging.getLogger("insitu.server")

Headers = Iterable[tuple[bytes, bytes]]

LINGER_S = 5.0
# AWS's clients sign what they send, and name the key that they sign with; its secret half is unknown here.
_SIGNATURE = re.compile(r"AWS4-HMAC-SHA256\s+Credential=(.*)/\d{8}/[^/,]*/[^/,]*/aws4_request(?:,.*)?")
# Probes carry no key; the description of the API is public.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/docs", "/openapi.json"})


class Keys:
    """The keys that are accepted, and whose each object is."""

    def __init__(self, settings: Settings) -> None:
        keys = settings.keys()
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]
        names = {"localhost", "127.0.0.1", "::1", settings.host, *settings.allowed_hosts}
        self._hosts = {name.lower() for name in names}

    def caller(self, headers: Headers, key_hint: str = KEY_HINT) -> tuple[str, str]:
        """The owner that a request speaks for, and its key: "" without one, or with several where none is needed.

        Args:
            key_hint: how a client sends its key.

        Raises:
            Unauthorized: if there are keys, and the request carries none of them.
            Forbidden: if there are none, and the request may come from a web page.
        """
        if not self._digests:
            self._refuse_web_pages(headers)
            with suppress(Unauthorized):
                return "", _credential(headers, key_hint)
            return "", ""
        key = _credential(headers, key_hint)
        return self._owner(key), key

    def _owner(self, key: str) -> str:
        digest = hashlib.sha256(key.encode("latin-1")).digest()
        # All are compared, whichever fits: the time taken says nothing about the keys.
        if not sum(hmac.compare_digest(digest, known) for known in self._digests):
            raise Unauthorized("this key is not known here", hint="the operator sets keys by INSITU_API_KEYS")
        return digest.hex()

    def check_linked(self, headers: Headers) -> None:
        """Let in a request that carries no key, as its address is one; raises Forbidden as :meth:`caller`."""
        if not self._digests:
            self._refuse_web_pages(headers)

    def _refuse_web_pages(self, headers: Headers) -> None:
        hosts = _values(headers, b"host")
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._hosts:
            raise Forbidden(
                f"the request is for {', '.join(hosts)[:200]!r}, which is not one of this server's names",
                hint="add the name to INSITU_ALLOWED_HOSTS, or set INSITU_API_KEYS",
            )
        origins = _values(headers, b"origin")
        if any(origin.lower().partition("://")[2] != hosts[0].lower() for origin in origins):
            raise Forbidden(
                f"the request comes from a web page of {', '.join(origins)[:200]!r}",
                hint="without keys only programs of this machine are answered; set INSITU_API_KEYS",
            )


class Gate:
    """Middleware: names every request, finds its owner, counts it and its body, and answers every exception."""

    def __init__(self, app: ASGIApp, keys: Keys, metrics: Metrics, bodies: Bodies, dialects: Sequence[Dialect]) -> None:
        self.app = app
        self.keys = keys
        self.metrics = metrics
        self.dialects = dialects
        self.bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        for each in self.dialects:
            scope["path"] = each.path_of(scope)
        request_id = scope["insitu.request_id"] = f"req_{secrets.token_hex(16)}"
        # A route that speaks for another dialect puts its own there.
        dialect = spoken(self.dialects, scope)
        scope["insitu.error_answer"] = dialect.error_answer if dialect else error_answer
        names = {"x-request-id", dialect.request_id_header if dialect else "x-request-id"}
        named = [(name.encode(), request_id.encode()) for name in names]
        body = scope["insitu.body"] = Body(self.bodies)
        started = False

        async def send_named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *named]
                self.metrics.requests[scope["method"], message["status"]] += 1
            await send(message)

        try:
            if dialect is not None and dialect.linked(scope):
                self.keys.check_linked(scope["headers"])
            elif scope["path"] not in OPEN_PATHS:
                hint = dialect.key_hint if dialect else KEY_HINT
                body.owner, scope["insitu.key"] = self.keys.caller(scope["headers"], hint)
                scope["insitu.owner"] = body.owner
                working_for.set(body.owner)
            await self.app(scope, receive, Sending(send_named, body))
        except ClientGone:
            self.metrics.requests[scope["method"], 499] += 1
        except Exception as exc:
            # No variable of this frame has it: its traceback has the frame, and they would hold each other.
            if started:
                # The client sees that its connection ends too soon. Code can do this to a file that is fetched.
                _log.warning("the answer to %s broke off: %s", request_id, foreseen(exc, request_id).message)
                return
            await _answer(foreseen(exc, request_id), scope, receive, send_named)
        finally:
            body.let_go()


async def _answer(error: InsituError, scope: Scope, receive: Receive, send: Send) -> None:
    answer = scope["insitu.error_answer"](error, scope["insitu.request_id"])
    if isinstance(error, TooLarge | WorkspaceFull):
        await _answer_and_linger(answer, receive, send)
    else:
        await answer(scope, receive, send)


async def _answer_and_linger(answer: Response, receive: Receive, send: Send) -> None:
    # Closed with unread bytes the connection would be reset, and many a client would never see the answer.
    headers = [*answer.raw_headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    with anyio.move_on_after(LINGER_S):
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.body", "body": b""})


def _credential(headers: Headers, key_hint: str) -> str:
    bearers = _values(headers, b"authorization")
    plain = [*_values(headers, b"x-api-key"), *_values(headers, b"x-goog-api-key")]
    if len(bearers) > 1 or len(plain) > 1:
        raise Unauthorized("the request carries more than one key", hint="send one")
    keys = {*plain, *(_key_in(value) for value in bearers)} - {""}
    if not keys:
        raise Unauthorized("the request carries no key", hint=key_hint)
    if len(keys) > 1:
        raise Unauthorized("the request carries two different keys", hint="send one")
    return keys.pop()


def _key_in(value: str) -> str:
    if signed := _SIGNATURE.fullmatch(value):
        return signed[1]
    scheme, _, key = value.partition(" ")
    return key.strip(" ") if scheme.lower() == "bearer" else ""


def _values(headers: Headers, name: bytes) -> list[str]:
    return [value.strip().decode("latin-1") for key, value in headers if key == name]


def _host_name(authority: str) -> str:
    name = authority[1:].partition("]")[0] if authority.startswith("[") else authority.partition(":")[0]
    return name.lower().removesuffix(".")
