"""`insitu repl`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from insitu import __version__

from .blocks import Blocks
from .follow import Screen, follow
from .options import Cpus, Disk, Environment, EnvVars, Files, Memory, Python, SessionOption, Time, Url, uploads
from .options import env_vars as read_env_vars
from .signals import at_ctrl_c, raise_it
from .target import Wishes
from .text import note

if TYPE_CHECKING:
    from insitu.types import Execution

    from .target import Target

EXAMPLES = (
    "insitu repl",
    "insitu repl --file sales.csv --mem 2g",
    "insitu repl --url http://127.0.0.1:8700 --session 3f2a",
    "insitu repl < commands.py",
)
_LEAVE = {"exit", "quit", "exit()", "quit()"}


def repl(
    file: Files = None,
    time: Time = None,
    mem: Memory = None,
    disk: Disk = None,
    cpus: Cpus = None,
    env: EnvVars = None,
    python: Python = None,
    environment: Environment = None,
    session: SessionOption = None,
    url: Url = None,
) -> int:
    """Run Python line by line in one sandbox.

    Variables and files stay until the end. Blocks end with an empty line. Ctrl-C interrupts the code, Ctrl-D leaves.
    Lines may also come from a pipe.

    The exit code is n after sys.exit(n); otherwise 0, but 1 if lines of a pipe failed.
    """
    variables, files = read_env_vars(env), uploads(file)
    wishes = Wishes(url, session, python, environment, mem, disk, cpus)
    with wishes.open() as target:
        wishes.upload(target, files)
        with _history():
            if _interactive():
                note(f"insitu {__version__}; Ctrl-D leaves")
            return _run_all(target, time, variables)


def _run_all(target: Target, timeout_s: float | None, env_vars: dict[str, str]) -> int:
    failed = False
    for code in _pieces():
        execution = _run(target, code, timeout_s, env_vars)
        if execution.outcome == "error" and execution.error and execution.error.name == "SystemExit":
            return execution.exit_code
        failed |= not execution.ok
    # At a terminal mistakes were seen, and mended or not.
    return int(failed and not _interactive())


def _pieces() -> Iterator[str]:
    blocks = Blocks()
    while True:
        try:
            line = _read_line("... " if blocks.pending else ">>> ")
        except KeyboardInterrupt:
            blocks.rest()
            note("\nKeyboardInterrupt")
            continue
        except EOFError:
            break
        if not blocks.pending and line.strip() in _LEAVE:
            return
        yield from blocks.add(line)
    if blocks.pending:
        yield blocks.rest()
    if _interactive():
        note("")


def _read_line(prompt: str) -> str:
    # Without a terminal, input() would write the prompt among the output.
    with at_ctrl_c(raise_it):
        return input(prompt if _interactive() else "")


def _interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _run(target: Target, code: str, timeout_s: float | None, env_vars: dict[str, str]) -> Execution:
    execution = follow(target, code, Screen(), timeout_s=timeout_s, env_vars=env_vars)
    if not execution.state_kept:
        note("the variables are gone; the files are still there")
    return execution


@contextmanager
def _history() -> Iterator[None]:
    if not _interactive():
        yield
        return
    try:
        import readline
    except ImportError:  # not on Windows
        yield
        return
    path = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "insitu/history"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        readline.read_history_file(path)
    readline.set_history_length(5000)
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(path)
