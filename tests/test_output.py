"""What an execution has written and shown, as one text and as two streams."""

from __future__ import annotations

import pytest

from insitu.output import output_of, streams_of
from insitu.types import CodeError, Execution, Result

ZERO = CodeError("ZeroDivisionError", "division by zero", "Traceback:\n  1/0\nZeroDivisionError: division by zero\n")
TIMEOUT = CodeError("TimeoutError", "over 1 s")
FAILED = CodeError("CommandFailed", "exit code 1: no")


@pytest.mark.parametrize(
    ("execution", "output", "streams"),
    [
        (Execution("e", None, "ok", True, 0, stdout="a\n", stderr="b\n"), "a\nb", ("a\n", "b\n")),
        (Execution("e", None, "ok", True, 0, stdout="a", results=(Result({"text/plain": "4"}),)), "a\n4", ("a\n4", "")),
        (Execution("e", None, "ok", True, 0, results=(Result({"text/plain": "4"}),)), "4", ("4", "")),
        (Execution("e", None, "ok", True, 0, results=(Result({"text/plain": "F", "image/png": "…"}),)), "", ("", "")),
        (
            Execution("e", None, "error", True, 1, stderr="b", error=ZERO),
            f"b\n{ZERO.traceback.strip()}",
            ("", f"b\n{ZERO.traceback}".rstrip("\n")),
        ),
        (
            Execution("e", None, "timeout", True, 1, error=TIMEOUT),
            "TimeoutError: over 1 s",
            ("", "TimeoutError: over 1 s"),
        ),
        (
            Execution("e", None, "error", True, 1, stderr="no\n", error=FAILED),
            "no\nCommandFailed: exit code 1: no",
            ("", "no\n"),
        ),
    ],
    ids=["both", "a result behind", "a result alone", "a figure", "a traceback", "no traceback", "a command"],
)
def test_what_code_has_written_and_shown(execution: Execution, output: str, streams: tuple[str, str]) -> None:
    assert (output_of(execution), streams_of(execution)) == (output, streams)
