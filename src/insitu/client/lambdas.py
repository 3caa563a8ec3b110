"""Calls of functions that come with their calls: what is sent, and how the answers are read."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any

import httpx2

from insitu.crossing import arguments, inputs, returned
from insitu.options import given
from insitu.sources import Function, source_of
from insitu.types import Called

from .answers import broken_off, rebuilt
from .calls import Call, SandboxOptions, with_limits
from .transport import AsyncTransport, Transport


class MapOptions(SandboxOptions, total=False):
    """What a map may be given.

    Args:
        star: whether each input is several arguments, as a list or a tuple, or named ones, as a dict.
        args: further arguments of every call, behind its input.
        kwargs: named arguments of every call.
        timeout_s: wall time of each call, in seconds.
        env_vars: environment variables of all calls.
    """

    star: bool
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    timeout_s: float | None
    env_vars: Mapping[str, str] | None


def one(
    function: Function, args: Sequence[Any], kwargs: Mapping[str, Any], session_id: str | None = None
) -> Call[Called]:
    """Call a function once; its result is a Python value."""
    body = {"lambda": source_of(function), **arguments(args, kwargs)}
    if session_id is not None:
        body["session_id"] = session_id
    return Call("POST", "/v1/lambda", _called, body)


def many(function: Function, items: Iterable[Any], options: MapOptions, *, stream: bool = False) -> Call[list[Called]]:
    """Call a function for many inputs; the answer has their order."""
    rest = with_limits(options, without=("timeout_s",))
    body = {
        **rest,
        "lambda": source_of(function),
        "map": inputs(items, bool(options.get("star"))),
        **arguments(options.get("args", ()), options.get("kwargs", {})),
    }
    return Call("POST", "/v1/lambda", _all_called, {**body, "stream": True} if stream else given(body))


def follow(transport: Transport, call: Call[Any]) -> Generator[Called]:
    """The calls of a map as they end."""
    ended = False
    with closing(transport.stream(call)) as stream:
        for sse in stream:
            ended = sse.event == "finished"
            if not ended:
                yield _item(sse)
    if not ended:
        raise broken_off(transport.url, "the map's end")


async def follow_async(transport: AsyncTransport, call: Call[Any]) -> AsyncGenerator[Called]:
    """The same from an event loop."""
    ended = False
    async with aclosing(transport.stream(call)) as stream:
        async for sse in stream:
            ended = sse.event == "finished"
            if not ended:
                yield _item(sse)
    if not ended:
        raise broken_off(transport.url, "the map's end")


def _item(sse: httpx2.ServerSentEvent) -> Called:
    body = json.loads(sse.data)
    if sse.event == "error":
        raise rebuilt(body["error"])
    return _called(body)


def _called(body: Mapping[str, Any]) -> Called:
    return returned(Called.from_dict(body))


def _all_called(body: Mapping[str, Any]) -> list[Called]:
    return [_called(item) for item in body["items"]]
