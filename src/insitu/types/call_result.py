"""Calls of a function: what came of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .execution import CodeError, Execution, Outcome, Timings, Truncated, Usage
from .mapping import known, shallow


@dataclass(frozen=True, slots=True)
class CallResult:
    """One call of a function.

    Args:
        result: what it returned; None unless the outcome is ``ok``.
        state_kept: whether what the function left in its variables is still there.
        id: of the execution.
        index: the place of its input among those of a map.
    """

    result: Any
    outcome: Outcome
    state_kept: bool = True
    stdout: str = ""
    stderr: str = ""
    error: CodeError | None = None
    truncated: Truncated = field(default_factory=Truncated)
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    id: str = ""
    index: int | None = None

    @property
    def ok(self) -> bool:
        """Whether it returned a value."""
        return self.outcome == "ok"

    @classmethod
    def of(cls, execution: Execution, value_type: str, index: int | None = None) -> CallResult:
        """What an execution of a call amounts to.

        Args:
            value_type: the MIME type of values.
        """
        outcome, error = execution.outcome, execution.error
        data = execution.result.data if execution.result else {}
        if outcome == "ok" and value_type not in data:
            # Only code that meddles with how it is run gets here.
            outcome, error = "error", CodeError("ResultLost", "the call ended without a value that could be passed on")
        return cls(
            result=data.get(value_type) if outcome == "ok" else None,
            outcome=outcome,
            state_kept=execution.state_kept,
            stdout=execution.stdout,
            stderr=execution.stderr,
            error=error,
            truncated=execution.truncated,
            usage=execution.usage,
            timings=execution.timings,
            id=execution.id,
            index=index,
        )

    def to_dict(self) -> dict[str, Any]:
        """The form that the HTTP API speaks."""
        body = {
            **shallow(self),
            "error": shallow(self.error) if self.error else None,
            "truncated": shallow(self.truncated),
            "usage": shallow(self.usage),
            "timings": shallow(self.timings),
        }
        if self.index is None:
            del body["index"]
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> CallResult:
        """The inverse of :meth:`to_dict`."""
        typed = {
            "error": known(CodeError, body["error"]) if body.get("error") else None,
            "truncated": known(Truncated, body.get("truncated") or {}),
            "usage": known(Usage, body.get("usage") or {}),
            "timings": known(Timings, body.get("timings") or {}),
        }
        called: CallResult = known(cls, {**body, **typed})
        return called
