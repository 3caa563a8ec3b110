"""The model server: any that speaks OpenAI's chat completions, reached with the official client."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2
import openai

from ..errors import (
    InsituError,
    NotFound,
    NoUpstream,
    Unauthorized,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamTimeout,
)
from ..settings import Settings
from .bounds import bound
from .chunks import Piece, read_piece

# What a server may not know, and what to send instead: nothing, or the same under another name.
_DISPENSABLE: Mapping[str, str | None] = {
    "stream_options": None,
    "parallel_tool_calls": None,
    "max_tokens": "max_completion_tokens",
}
_NOT_KNOWN = "unknown|unrecognized|unsupported|not supported|not permitted|not allowed|unexpected|extra"
_CONNECT_S = 10.0
_LONGEST_RETRY_S = 60.0
_MODELS_HINT = "GET /v1/models lists the models"
# Characters of what a model server says that are passed on.
_SAID = 1000


class Upstream:
    """The connection to the model server.

    Args:
        http: a client for requests that pass through; whoever made it closes it.
        bounded: one for turns, which refuses answers that are larger than any honest one.
    """

    def __init__(self, settings: Settings, http: httpx2.AsyncClient, bounded: httpx2.AsyncClient) -> None:
        self.url = settings.upstream.rstrip("/")
        self.http = http
        self._forward_key = settings.upstream_forward_key
        self._key = settings.upstream_api_key.get_secret_value()
        self._silence_s = settings.upstream_timeout_s
        self._unknown: set[str] = set()
        # Without a key of its own the client would look for one in the environment.
        self._client = None
        if self.url:
            self._client = openai.AsyncOpenAI(base_url=self.url, api_key=self._key or "none", http_client=bounded)

    def key_for(self, caller_key: str) -> str:
        """The key to send, if any: the caller's own only where the operator has said so.

        Raises:
            Unauthorized: if the caller's cannot be sent.
        """
        if not self._forward_key:
            return self._key
        if not caller_key.isascii():
            raise Unauthorized("your key has characters that model servers do not take", hint="use ASCII alone")
        return caller_key

    async def models(self, caller_key: str) -> list[str]:
        """The names of its models; none without a model server.

        Raises:
            UpstreamFailed: if it cannot be reached, or fails.
        """
        if self._client is None:
            return []
        headers = {"Authorization": f"Bearer {self.key_for(caller_key) or 'none'}"}
        try:
            listed = await self._client.get("/models", cast_to=object, options={"headers": headers})
        except openai.OpenAIError as exc:
            raise self._translated(exc) from None
        found = listed.get("data") if isinstance(listed, dict) else None
        models = found if isinstance(found, list) else []
        return [str(model["id"]) for model in models if isinstance(model, dict) and "id" in model]

    async def require(self, model: str, caller_key: str) -> None:
        """See that there is a model of this name.

        Raises:
            NotFound: if there is none.
            UpstreamFailed: as of :meth:`models`.
        """
        if model not in await self.models(caller_key):
            raise NotFound(f"there is no model {model[:200]!r} at the model server", hint=_MODELS_HINT)

    @asynccontextmanager
    async def stream(self, body: Mapping[str, Any], caller_key: str) -> AsyncIterator[AsyncIterator[Piece]]:
        """Ask for a chat completion; leaving the context ends it, at the model server too.

        Raises:
            UpstreamRefused: if the model server finds fault with the request.
            UpstreamFailed: if it cannot be reached, or fails; the official client has tried again by then.
        """
        response = await self._open({**body, "stream": True, "stream_options": {"include_usage": True}}, caller_key)
        try:
            yield self._read(response)
        finally:
            await response.close()

    async def _open(self, body: Mapping[str, Any], caller_key: str) -> openai.AsyncStream[object]:
        unknown = self._unknown
        while True:
            sent = _understood(body, unknown)
            try:
                response = await self._post(sent, caller_key)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
                blamed = {name for name in _DISPENSABLE if name in sent and _blames(exc, name)}
                if not blamed:
                    raise self._translated(exc) from None
                unknown = unknown | blamed
            except openai.OpenAIError as exc:
                raise self._translated(exc) from None
            except httpx2.HTTPError as exc:  # within the body of an error, which the client reads by itself
                raise UpstreamFailed(f"the model server failed, and broke off its reason: {exc}") from None
            else:
                # Only now is it known that this was the fault: one caller's mistake must not change others' requests.
                self._unknown |= unknown
                return response

    async def _post(self, body: Mapping[str, Any], caller_key: str) -> openai.AsyncStream[object]:
        if self._client is None:
            raise NoUpstream
        # By the client's own `post`: its method for chat completions walks through the transcript key by key, which
        # takes longer with every step, and through every chunk, which is half of what a token costs here. A client of
        # each key's own would ask a thread for the platform's name before its first request.
        return await self._client.post(
            "/chat/completions",
            cast_to=object,
            body=body,
            options={"headers": {"Authorization": f"Bearer {self.key_for(caller_key) or 'none'}"}},
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )

    async def _read(self, response: openai.AsyncStream[object]) -> AsyncIterator[Piece]:
        try:
            async for chunk in response:
                yield read_piece(chunk)
        except openai.OpenAIError as exc:
            raise self._translated(exc) from None
        except httpx2.HTTPError as exc:
            raise UpstreamFailed(f"the model server broke off its answer: {str(exc) or type(exc).__name__}") from None
        except ValueError as exc:
            raise UpstreamFailed(f"the model server sent what is no JSON: {str(exc)[:200]}") from None

    def _without_key(self, said: str) -> str:
        # Some repeat a key that they do not know, and it is none of the caller's business.
        return said.replace(self._key, "[the key]") if self._key and not self._forward_key else said

    def _translated(self, exc: openai.OpenAIError) -> InsituError:
        if isinstance(exc, openai.APITimeoutError):
            return UpstreamTimeout(
                f"the model server at {self.url} said nothing for {self._silence_s:g} s",
                hint="the setting upstream_timeout_s is the limit",
            )
        if isinstance(exc, openai.APIConnectionError):
            return UpstreamFailed(
                f"the model server at {self.url} cannot be reached, or broke off: {exc.__cause__ or exc}",
                hint="see that it runs, and that the setting upstream is its address",
            )
        if isinstance(exc, openai.APIStatusError):
            return self._status(exc)
        return UpstreamFailed(f"the model server failed: {str(exc)[:_SAID]}")

    def _status(self, exc: openai.APIStatusError) -> InsituError:
        said = f"the model server answered {exc.status_code}: {self._without_key(_message(exc))}"
        if exc.status_code in (429, 503):
            return UpstreamBusy(said, retry_after_s=_retry_after(exc.response.headers))
        if exc.status_code in (401, 403) and not self._forward_key:
            return UpstreamFailed(said, hint="INSITU_UPSTREAM_API_KEY is the key that it gets")
        if exc.status_code < 400:
            return UpstreamFailed(said, hint="see that the setting upstream is its address")
        if exc.status_code == 404:
            return self._not_found(exc, said)
        if exc.status_code in (408, 409) or exc.status_code >= 500:
            return UpstreamFailed(said)
        return UpstreamRefused(said, status=exc.status_code)

    def _not_found(self, exc: openai.APIStatusError, said: str) -> InsituError:
        if isinstance(exc.body, dict) and "message" in exc.body:
            return UpstreamRefused(said, hint=_MODELS_HINT, status=404)
        # It knows nothing of OpenAI's API there. The settings let no password and no query into its address.
        asked, hint = exc.request.url, "the setting upstream is its base URL, which usually ends in /v1"
        return UpstreamRefused(f"{said}; {asked} was asked", hint=hint, status=404)


def _understood(body: Mapping[str, Any], unknown: Collection[str]) -> dict[str, Any]:
    renamed = {name: _DISPENSABLE[name] if name in unknown else name for name in body}
    return {renamed[name] or "": value for name, value in body.items() if renamed[name]}


def _blames(exc: openai.APIStatusError, name: str) -> bool:
    """Whether a server says that it does not know a parameter; it may also name one for its value, or quote it."""
    if isinstance(exc.body, dict) and exc.body.get("param") == name:
        return exc.body.get("code") in (None, "unsupported_parameter", "unknown_parameter")
    said = re.compile(
        rf"\b{name}\b.{{0,80}}({_NOT_KNOWN})|({_NOT_KNOWN}).{{0,80}}\b{name}\b", re.IGNORECASE | re.DOTALL
    )
    return said.search(exc.message) is not None


@asynccontextmanager
async def open_upstream(settings: Settings) -> AsyncIterator[Upstream]:
    """The connection to the model server of the settings, if they name one."""
    timeout = httpx2.Timeout(settings.upstream_timeout_s, connect=_CONNECT_S)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    # What the model server sets for one caller is not for the others.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    shared: dict[str, Any] = {"timeout": timeout, "limits": limits, "follow_redirects": False, "cookies": no_cookies}
    plain = {"accept-encoding": "identity"}
    async with (
        httpx2.AsyncClient(**shared) as http,
        httpx2.AsyncClient(**shared, headers=plain, event_hooks={"response": [bound]}) as bounded,
    ):
        yield Upstream(settings, http, bounded)


def _message(exc: openai.APIStatusError) -> str:
    body = exc.body
    said = body.get("message") if isinstance(body, dict) else body
    return str(said or exc.message)[:_SAID]


def _retry_after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    # It may be a date, nothing, or nonsense.
    return min(max(float(text), 1.0), _LONGEST_RETRY_S) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) else 1.0
