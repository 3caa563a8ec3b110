"""Batches: many calls in one request, and their answers as values of Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Generic, Literal, Self, TypedDict, TypeVar, Unpack, cast

import httpx2

from insitu.crossing import body_of, value_of
from insitu.sources import Function
from insitu.types import BatchItem, CallResult, Execution, Invocation

from . import calls, function_calls, lambdas
from .answers import rebuilt, told
from .calls import Call, FreshCallOptions, FreshRunOptions

T = TypeVar("T")


class BatchOptions(TypedDict, total=False):
    """How a batch is done.

    Args:
        order: side by side, but for what ``after`` says; or one after the other, as they stand.
        on_failure: what becomes of calls whose predecessors did not end well.
    """

    order: Literal["parallel", "sequence"]
    on_failure: Literal["skip", "go_on"]


@dataclass(frozen=True, slots=True)
class BatchCall(Generic[T]):
    """One call of a batch: what its item is found by, and what waits for it names."""

    index: int
    id: str


class Batch:
    """Calls that are made in one round trip, by ``client.batch(batch)``.

    ``run``, ``call``, ``invoke`` and ``tool`` add one call each, as the client's methods of these names make one.
    """

    def __init__(self) -> None:
        self._calls: list[dict[str, Any]] = []
        self._options: FreshCallOptions = {}
        self._session_id: str | None = None
        self._after: tuple[str, ...] = ()

    def after(self, *earlier: BatchCall[Any]) -> Self:
        """The same batch, where what is added waits until these have ended well."""
        view = copy(self)
        view._after = (*self._after, *(call.id for call in earlier))
        return view

    def in_session(self, session_id: str) -> Self:
        """The same batch, whose code and functions run in this session."""
        view = copy(self)
        view._session_id = session_id
        return view

    def with_options(self, **options: Unpack[FreshCallOptions]) -> Self:
        """The same batch, whose code and functions take these options unless told otherwise."""
        view = copy(self)
        view._options = {**self._options, **options}
        return view

    def run(self, code: str, **options: Unpack[FreshRunOptions]) -> BatchCall[Execution]:
        """Adds code."""
        body = calls.run_fresh(code, {**self._options, **options}).body or {}
        return self._add("execute", {**body, "session_id": self._session_id} if self._session_id else body)

    def call(self, function: Function, /, *args: Any, **kwargs: Any) -> BatchCall[CallResult]:
        """Adds a call of a function that comes with it."""
        return self._add("lambda", lambdas.one(function, args, kwargs, self._options, self._session_id).body or {})

    def invoke(self, name: str, /, *args: Any, **kwargs: Any) -> BatchCall[Invocation]:
        """Adds a call of a deployed function, whose options are those that it was deployed with."""
        body = function_calls.invoke(name, args, kwargs).body or {}
        return self._add("function", {**body, "name": function_calls.bare(name)})

    def tool(self, name: str, /, **arguments: Any) -> BatchCall[Any]:
        """Adds a call of one of the server's tools."""
        return self._add("tool", {"name": name, "arguments": body_of(arguments)})

    def _add(self, kind: str, body: Mapping[str, Any]) -> BatchCall[Any]:
        added: BatchCall[Any] = BatchCall(len(self._calls), f"call-{len(self._calls)}")
        self._calls.append({"id": added.id, "after": list(self._after), kind: body})
        return added

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self._calls)


class BatchItems(list[BatchItem]):
    """What came of the calls of a batch, in their order."""

    def answer_of(self, call: BatchCall[T]) -> T:
        """The answer to a call, also where that did not end well.

        Raises:
            InsituError: what it was refused with, that it was skipped, or what its tool has failed with.
        """
        item = self[call.index]
        if item.error is not None:
            raise rebuilt(item.error, 400)
        return cast(T, item.answer)


def make(calls: Iterable[Mapping[str, Any]], options: BatchOptions, *, stream: bool = False) -> Call[BatchItems]:
    """Make these calls; each is as the HTTP API has it."""
    return Call("POST", "/v1/batch", _items, {"calls": list(calls), **options, "stream": stream})


def streamed(sse: httpx2.ServerSentEvent) -> BatchItem | None:
    """An item, by the event that tells of its end."""
    body = told(sse)
    return _item(body) if sse.event == "item" else None


def _items(body: Mapping[str, Any]) -> BatchItems:
    return BatchItems(_item(item) for item in body["items"])


def _item(body: Mapping[str, Any]) -> BatchItem:
    answer: Any = body["answer"]
    kind, error = body["kind"], body["error"]
    if answer is not None and "error" in answer and kind == "tool":
        failed = answer["error"]
        answer, error = None, {**failed, "message": f"{failed['name']}: {failed['message']}"}
    return BatchItem(
        index=body["index"],
        id=body["id"],
        kind=kind,
        status=body["status"],
        answer=None if answer is None else _READERS[kind](answer),
        error=error,
    )


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "execute": Execution.from_dict,
    "lambda": lambdas.called,
    "function": function_calls.returned_by,
    "tool": lambda body: value_of(body["value"]),
}
