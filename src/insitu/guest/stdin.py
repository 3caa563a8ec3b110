"""Standard input that says at once that nobody is there to answer."""

from __future__ import annotations

import builtins
import getpass
import io
import sys
from typing import Any, NoReturn


class StdinNotAvailable(RuntimeError):
    """Raised when code asks for input."""


# So that a traceback shows the bare name.
StdinNotAvailable.__module__ = "builtins"

_input = builtins.input


def _refuse(what: str) -> NoReturn:
    raise StdinNotAvailable(
        f"{what} is not available here: the code runs on a server with nobody to ask; "
        "pass the value in the code or as a file"
    )


class NoStdin(io.TextIOBase):
    """A ``sys.stdin`` whose every read raises StdinNotAvailable."""

    encoding = "utf-8"
    name = "<stdin>"
    mode = "r"

    def fileno(self) -> int:
        """Return 0, for those who hand it to a child: it is /dev/null."""
        return 0

    def close(self) -> None:
        """Do nothing: `exit()` closes the standard input, and the next cell may ask it something."""

    @property
    def buffer(self) -> NoStdin:
        """The same refusal for bytes."""
        return self

    def _refuse(self, *args: Any) -> Any:
        _refuse("sys.stdin")

    read = readline = readlines = __iter__ = __next__ = _refuse
    readable = isatty = io.TextIOBase.writable


def _no_input(prompt: object = "") -> str:
    if isinstance(sys.stdin, NoStdin):
        _refuse("input()")
    return _input(prompt)  # the code has put a stream of its own in place


def _no_password(prompt: str = "Password: ", stream: Any = None, **options: Any) -> str:
    _refuse("getpass()")


def _no_debugger(*args: Any, **options: Any) -> None:
    _refuse("breakpoint()")


def install() -> None:
    """Put the refusals in the place of all that would ask."""
    sys.stdin = NoStdin()
    builtins.input = _no_input
    getpass.getpass = _no_password
    sys.breakpointhook = _no_debugger
