"""How the command line fails: ``error: …``, then ``hint: …``, and an exit code that says whose fault it was."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from difflib import get_close_matches

import typer

from insitu.errors import CallerError, InsituError, OverCeiling, Unauthorized, exact

from .text import colour, printable_lines

WRONG_USAGE = 2
# As `timeout` and `docker run` have it: the code's own exit codes stay the code's.
INSITU_FAILED = 125
INTERRUPTED = 130
PIPE_CLOSED = 141
_KEY_HINT = "set INSITU_API_KEY to one of the server's keys"
# What hints call what there is on the command line.
_OUR_WORDS = {
    "add ?depth=1 to list a folder": "it is a folder: list it by `insitu files SESSION FOLDER`, and copy its files",
    "by url= or INSITU_URL": "by --url or INSITU_URL",
    "insitu.Client(url=…), ": "",
    "ask for more memory_bytes or fewer disk_bytes": "ask for more --mem or less --disk",
    "PUT /v1/sessions/{id}/files/{path}": "`insitu cp`",
}
# Nobody should end a session because a hint at it came first.
_DESTRUCTIVE = {"rm"}


class WrongUsage(typer.TyperException):
    """Raised when a command is called in a way that cannot be meant."""

    exit_code = WRONG_USAGE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class PipeClosed(Exception):
    """Raised in place of ``BrokenPipeError``, of which Typer would make an exit code of its own."""


def report(error: InsituError | typer.TyperException) -> int:
    """Print an error; returns the exit code for it."""
    if isinstance(error, InsituError):
        print_error(error.message, _hint_of(error))
        for line in getattr(error, "__notes__", ()):
            print(f"note: {printable_lines(line)}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, CallerError) else INSITU_FAILED
    print_error(_as_sentence(error.format_message()), _hint(error))
    return error.exit_code


def _hint_of(error: InsituError) -> str | None:
    if isinstance(error, Unauthorized) and known_by_insitu(error):
        return _KEY_HINT
    if isinstance(error, OverCeiling) and hasattr(error, "ceiling"):
        # It was raised here and not by a server: the user is the operator.
        return f"ask for {exact(error.ceiling)} or less, or set INSITU_MAX_{error.name.upper()}={exact(error.asked)}"
    hint = error.hint
    for theirs, ours in _OUR_WORDS.items():
        hint = hint and hint.replace(theirs, ours)
    return hint


def known_by_insitu(error: InsituError) -> bool:
    """Whether a server of insitu's has answered so."""
    # A server passes on what its model server says of keys, which are others.
    return any(line.startswith("request id:") for line in getattr(error, "__notes__", ()))


def print_error(message: str, hint: str | None = None) -> None:
    """Print what is wrong, and what to do."""
    print(f"{colour('error:', 'red', sys.stderr)} {printable_lines(message)}", file=sys.stderr)
    if hint:
        print(f"{colour('hint:', 'yellow', sys.stderr)} {printable_lines(hint)}", file=sys.stderr, flush=True)


def did_you_mean(wrong: str, known: Iterable[str]) -> str | None:
    """A hint at the nearest of the known words, if one is near."""
    near = get_close_matches(wrong, list(known), n=3, cutoff=0.5)
    near.sort(key=_DESTRUCTIVE.__contains__)
    return f"did you mean `{near[0]}`?" if near else None


def _hint(error: typer.TyperException) -> str | None:
    if isinstance(error, WrongUsage):
        return error.hint
    near = did_you_mean(getattr(error, "option_name", ""), getattr(error, "possibilities", None) or ())
    context = getattr(error, "ctx", None)
    if not near and context and context.command.name == "run" and hasattr(error, "option_name"):
        return f"for an option of the code's own: insitu run FILE -- {error.option_name}"
    return near or (f"see `{context.command_path} --help`" if context else None)


def _as_sentence(message: str) -> str:
    # Typer's own messages begin with a capital; after `error:` nothing does.
    message = message.split(" (Possible options:")[0].removesuffix(".")
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
