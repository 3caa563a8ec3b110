"""The model server: any that speaks OpenAI's chat completions, reached with the official client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletionChunk

from ..errors import InsituError, NoUpstream, UpstreamBusy, UpstreamFailed, UpstreamRefused, UpstreamTimeout
from ..settings import Settings
from .chunks import is_chunk

# What a server may not know, and what to send instead: nothing, or the same under another name.
_DISPENSABLE: Mapping[str, str | None] = {
    "stream_options": None,
    "parallel_tool_calls": None,
    "max_tokens": "max_completion_tokens",
}
_CONNECT_S = 10.0
_LONGEST_RETRY_S = 60.0
# Characters of what a model server says that are passed on.
_SAID = 1000


class Upstream:
    """The connection to the model server.

    Args:
        http: the pool of connections; whoever made it closes it.
    """

    def __init__(self, settings: Settings, http: httpx2.AsyncClient) -> None:
        self.url = settings.upstream.rstrip("/")
        self.http = http
        self._forward_key = settings.upstream_forward_key
        self._key = settings.upstream_api_key.get_secret_value()
        self._silence_s = settings.upstream_timeout_s
        self._unknown: set[str] = set()
        # Without a key of its own the client would look for one in the environment.
        self._client = (
            openai.AsyncOpenAI(base_url=self.url, api_key=self._key or "none", http_client=http) if self.url else None
        )

    def key_for(self, caller_key: str) -> str:
        """The key to send, if any: the caller's own only where the operator has said so."""
        return caller_key if self._forward_key else self._key

    @asynccontextmanager
    async def stream(
        self, body: Mapping[str, Any], caller_key: str
    ) -> AsyncIterator[AsyncIterator[ChatCompletionChunk]]:
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

    async def _open(self, body: dict[str, Any], caller_key: str) -> openai.AsyncStream[ChatCompletionChunk]:
        if self._client is None:
            raise NoUpstream
        client = self._client.with_options(api_key=self.key_for(caller_key) or "none")
        while True:
            sent = self._understood(body)
            try:
                # As extra_body the transcript goes out as it is: to check it as `messages`, key by key, takes the
                # client longer the longer it gets, and more than all else in a turn of many steps.
                return await client.chat.completions.create(model="", messages=(), stream=True, extra_body=sent)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
                unknown = {name for name in _DISPENSABLE if name in sent and name in exc.message}
                if not unknown:
                    raise self._translated(exc) from None
                self._unknown |= unknown
            except openai.OpenAIError as exc:
                raise self._translated(exc) from None

    def _understood(self, body: Mapping[str, Any]) -> dict[str, Any]:
        renamed = {name: _DISPENSABLE[name] if name in self._unknown else name for name in body}
        return {renamed[name] or "": value for name, value in body.items() if renamed[name]}

    async def _read(self, response: openai.AsyncStream[ChatCompletionChunk]) -> AsyncIterator[ChatCompletionChunk]:
        try:
            async for chunk in response:
                if not is_chunk(chunk):
                    raise UpstreamFailed(f"the model server sent what is no chat completion: {str(chunk)[:200]}")
                yield chunk
        except openai.OpenAIError as exc:
            raise self._translated(exc) from None
        except httpx2.HTTPError as exc:
            raise UpstreamFailed(f"the model server broke off its answer: {str(exc) or type(exc).__name__}") from None
        except ValueError as exc:
            raise UpstreamFailed(f"the model server sent what is no JSON: {str(exc)[:200]}") from None

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
        said = f"the model server answered {exc.status_code}: {_message(exc)}"
        if exc.status_code in (429, 503):
            return UpstreamBusy(said, retry_after_s=_retry_after(exc.response.headers))
        if exc.status_code in (401, 403) and not self._forward_key:
            return UpstreamFailed(said, hint="the setting upstream_api_key is the key that it gets")
        if exc.status_code < 400:
            return UpstreamFailed(said, hint="see that the setting upstream is its address")
        if exc.status_code in (408, 409) or exc.status_code >= 500:
            return UpstreamFailed(said)
        return UpstreamRefused(said, status=exc.status_code)


@asynccontextmanager
async def open_upstream(settings: Settings) -> AsyncIterator[Upstream]:
    """The connection to the model server of the settings, if they name one."""
    timeout = httpx2.Timeout(settings.upstream_timeout_s, connect=_CONNECT_S)
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    # What the model server sets for one caller is not for the others.
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    async with httpx2.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False, cookies=no_cookies) as http:
        yield Upstream(settings, http)


def _message(exc: openai.APIStatusError) -> str:
    body = exc.body
    said = body.get("message") if isinstance(body, dict) else body
    return str(said or exc.message)[:_SAID]


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return min(max(float(headers.get("retry-after", "")), 1.0), _LONGEST_RETRY_S)
    except ValueError:
        return 1.0  # a date, or nothing
