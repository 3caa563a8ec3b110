"""What ended a cell early, as the host is told of it."""

from __future__ import annotations

import sys
from typing import NamedTuple

from . import tracebacks

_MOST_VALUE = 4096


class CellError(NamedTuple):
    """What ended a cell early."""

    name: str
    value: str
    traceback: str
    exit_code: int | None = None


def describe(error: BaseException) -> CellError:
    """An exception as text; code of its own may run for that."""
    # First, as the code's own __str__ can be interrupted here; Python's traceback module would hide that.
    value = tracebacks.clip(tracebacks.message_of(error), _MOST_VALUE)
    text = tracebacks.render(error)
    exit_code = _exit_code(error) if isinstance(error, SystemExit) else None
    return CellError(tracebacks.name_of(type(error)), value, text, exit_code)


def _exit_code(error: SystemExit) -> int:
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return int(code) if -(2**31) <= code < 2**31 else 255
    sys.stderr.write(tracebacks.clean(f"{code}\n"))
    return 1
