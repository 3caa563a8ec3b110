"""A batch: what came of each of its calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

BatchKind = Literal["execute", "lambda", "function", "tool"]
BatchStatus = Literal["ok", "failed", "refused", "skipped"]


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One call of a batch.

    Args:
        index: its place in the request.
        id: the one that it was given.
        status: ``failed`` if what was called did not end well, ``refused`` if it could not be called, and ``skipped``
            if one that it waited for did not end well.
        answer: an ``Execution``, a ``CallResult``, an ``Invocation``, or a tool's value.
        error: why there is no answer: type, code and message.
    """

    index: int
    id: str | None
    kind: BatchKind
    status: BatchStatus
    answer: Any = None
    error: Mapping[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether it ended well."""
        return self.status == "ok"
