"""From arguments to an exit code."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import typer

from insitu.errors import InsituError

from .app import app
from .errors import INTERRUPTED, PIPE_CLOSED, WRONG_USAGE, PipeClosed, print_error, report


def run() -> int:
    """Run the command that the arguments name; returns the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: int | None = typer.main.get_command(app).main(prog_name="insitu", standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except (InsituError, typer.TyperException) as error:
        return report(error)
    except typer.Abort:
        return INTERRUPTED
    except (BrokenPipeError, PipeClosed):
        # Whoever read our output has had enough; the interpreter would complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if error.filename is None:
            raise
        print_error(f"{error.filename}: {error.strerror}")
        return WRONG_USAGE
