"""What an execution wrote and showed, as one text: for a model, or as a terminal would have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .types import Execution

# Of an execution's output that a model is shown by default.
SHOWN_CHARS = 20_000


def output_of(execution: Execution) -> str:
    """What code wrote and showed, as a notebook would have it: stdout, stderr, results, traceback."""
    parts = [execution.stdout, execution.stderr, *_shown(execution), _error(execution)]
    return "\n".join(part.rstrip("\n") for part in parts if part.strip())


def streams_of(execution: Execution) -> tuple[str, str]:
    """The same as a terminal would have it: stdout with the results behind it, and stderr with the traceback."""
    error = execution.error
    # Of a command that fails, the exit code says it, and what it has written.
    said = _error(execution) if error and (error.traceback or execution.outcome != "error") else ""
    return _lines([execution.stdout, *_shown(execution)]), _lines([execution.stderr, said])


def clipped(text: str, most: int, kept_at: str | None = None) -> str:
    """Head and tail of a long text, and where all of it is."""
    if len(text) <= most:
        return text
    head, tail = most * 3 // 4, most // 4
    where = f"; all of it is in {kept_at}" if kept_at else ""
    return f"{text[:head]}\n[… {len(text) - head - tail} characters left out{where} …]\n{text[-tail:]}"


def _shown(execution: Execution) -> list[str]:
    # A figure's text form says nothing that its image does not.
    return [r.text for r in execution.results if r.text and "image/png" not in r.data]


def _lines(parts: Sequence[str]) -> str:
    *earlier, last = [part for part in parts if part] or [""]
    return "".join(part if part.endswith("\n") else f"{part}\n" for part in earlier) + last


def _error(execution: Execution) -> str:
    if execution.error is None:
        return ""
    said = f"{execution.error.name}: {execution.error.value}"
    trace = execution.error.traceback.rstrip("\n")
    return (
        trace if trace.endswith(said) or (execution.outcome == "error" and trace) else f"{trace}\n{said}".lstrip("\n")
    )
