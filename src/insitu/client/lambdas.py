"""Calls of functions that come with their calls: what is sent, and how the answers are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx2

from insitu.crossing import arguments, inputs, returned
from insitu.options import CallOptions, given
from insitu.sources import Function, source_of
from insitu.types import CallResult

from .answers import told
from .calls import Call, FreshCallOptions, with_limits


class MapOptions(FreshCallOptions, total=False):
    """What a map may be given.

    Args:
        star: whether each input is several arguments, as a list or a tuple, or named ones, as a dict.
        args: further arguments of every call, behind its input.
        kwargs: named arguments of every call.
    """

    star: bool
    args: Sequence[Any]
    kwargs: Mapping[str, Any]


def one(
    function: Function,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: FreshCallOptions | CallOptions,
    session_id: str | None = None,
) -> Call[CallResult]:
    """Call a function once; its result is a Python value."""
    body = {
        **with_limits(options, without=("timeout_s",)),
        "lambda": source_of(function),
        **arguments(args, kwargs),
        "session_id": session_id,
    }
    return Call("POST", "/v1/lambda", called, given(body))


def many(
    function: Function, items: Iterable[Any], options: MapOptions, *, stream: bool = False
) -> Call[list[CallResult]]:
    """Call a function for many inputs; the answer has their order."""
    body = {
        **with_limits(options, without=("timeout_s",)),
        "lambda": source_of(function),
        "map": inputs(items, bool(options.get("star"))),
        **arguments(options.get("args", ()), options.get("kwargs", {})),
        "stream": stream,
    }
    return Call("POST", "/v1/lambda", _all_called, body)


def item(sse: httpx2.ServerSentEvent) -> CallResult | None:
    """A call of a map, by the event that tells of its end."""
    body = told(sse)
    return called(body) if sse.event == "item" else None


def called(body: Mapping[str, Any]) -> CallResult:
    """A call, whose result is a Python value."""
    return returned(CallResult.from_dict(body))


def _all_called(body: Mapping[str, Any]) -> list[CallResult]:
    return [called(each) for each in body["items"]]
