"""Batches: many calls in one request, and their answers as values of Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypedDict

from insitu.crossing import returned, value_of
from insitu.types import BatchItem, Called, Execution, Invocation

from .calls import Call


class BatchOptions(TypedDict, total=False):
    """How a batch is done.

    Args:
        order: side by side, but for what ``after`` says; or one after the other, as they stand.
        on_failure: what becomes of calls whose predecessors did not end well.
    """

    order: Literal["parallel", "sequence"]
    on_failure: Literal["skip", "go_on"]


def batch(items: Iterable[Mapping[str, Any]], options: BatchOptions) -> Call[list[BatchItem]]:
    """Make these calls; each is as the HTTP API has it."""
    return Call("POST", "/v1/batch", _items, {"calls": list(items), **options})


def _items(body: Mapping[str, Any]) -> list[BatchItem]:
    return [_item(item) for item in body["items"]]


def _item(body: Mapping[str, Any]) -> BatchItem:
    answer: Any = body["answer"]
    kind, error = body["kind"], body["error"]
    if answer is not None and "error" in answer and kind == "tool":
        answer, error = None, answer["error"]
    return BatchItem(
        index=body["index"],
        id=body["id"],
        kind=kind,
        status=body["status"],
        answer=None if answer is None else _READERS[kind](answer),
        error=error,
    )


def _called(body: Mapping[str, Any]) -> Called:
    return returned(Called.from_dict(body))


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "execute": Execution.from_dict,
    "lambda": _called,
    "function": Invocation.from_dict,
    "tool": lambda body: value_of(body["value"]),
}
