"""`insitu run`."""

from __future__ import annotations

import os
import re
import sys
from io import BytesIO
from pathlib import Path
from tokenize import detect_encoding
from typing import Annotated

import typer

from .errors import WrongUsage
from .follow import Screen, alone, follow
from .options import AsJson, Cpus, Disk, Environment, EnvVars, Files, Memory, Python, SessionOption, Time, Url, uploads
from .options import env_vars as read_env_vars
from .results import save, tell_lost
from .target import Wishes
from .text import as_json

EXAMPLES = (
    "insitu run 'sum(range(10))'",
    "insitu run analysis.py --file sales.csv --out results",
    "insitu run report.py --file sales.csv north 2024 -- --verbose",
    "echo 'print(1 + 1)' | insitu run -",
    "insitu run loop.py --time 5 --mem 256m --json",
    "insitu run 'x' --session 3f2a",
)
# Words between slashes, the first no number: `1/0` and `a // b` are code.
_LOOKS_LIKE_PATH = re.compile(r"[\w.~-]*[^\W\d][\w.-]*(/[\w.-]+)+|[.~]{0,2}(/[\w.-]+)+")


def run(
    code: Annotated[
        str | None,
        typer.Argument(
            metavar="CODE|FILE|-",
            help="Python code; or a file, if it ends in .py, or has a / and is one; or - for standard input.",
        ),
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARG", help="What the code finds in sys.argv; those with dashes go behind --."),
    ] = None,
    file: Files = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="A folder for files and images that the code makes."),
    ] = None,
    time: Time = None,
    mem: Memory = None,
    disk: Disk = None,
    cpus: Cpus = None,
    env: EnvVars = None,
    python: Python = None,
    environment: Environment = None,
    session: SessionOption = None,
    url: Url = None,
    json: AsJson = False,
) -> int:
    """Run Python in a fresh sandbox.

    The sandbox is one of this process, or of a server if one is named. Output comes as the code writes it, then the
    value of its last expression. Ctrl-C interrupts the code, a second one leaves.

    The exit code is the code's: 0, 1 after an error, n after sys.exit(n), 124 after a time-out, 137 when killed or out
    of memory, 139 after a segmentation fault, 130 when interrupted. 2 means that you asked for what cannot be,
    125 that insitu failed.
    """
    source, variables, files = read_source(code, session), read_env_vars(env), uploads(file)
    wishes = Wishes(url, session, python, environment, mem, disk, cpus)
    with wishes.open() as target:
        wishes.upload(target, files)
        if arguments or (code and _is_path(code)):
            # As itself, and not as a line before the code, whose lines are counted in tracebacks.
            target.run(f"__import__('sys').argv[:] = {_argv(code, arguments or [])!a}")
        execution = follow(target, source, None if json else Screen(), timeout_s=time, env_vars=variables)
        if json:
            print(as_json((execution if session else alone(execution)).to_dict()), flush=True)
        if out:
            save(target, execution, out)
        elif not json:
            tell_lost(execution, files_stay=bool(session))
    return execution.exit_code


def _argv(code: str | None, arguments: list[str]) -> list[str]:
    return [code if code and (code == "-" or _is_path(code)) else "-c", *arguments]


def read_source(argument: str | None, session: str | None) -> str:
    """The code that an argument names, or is."""
    if argument == "-" or (argument is None and not sys.stdin.isatty()):
        return _decoded(sys.stdin.buffer.read(), "standard input")
    if argument is None:
        raise WrongUsage("there is no code to run", hint="insitu run 'print(1)', insitu run file.py, or insitu repl")
    if _is_path(argument):
        return _decoded(Path(argument).read_bytes(), argument)
    # In a session the words can be variables; in a fresh sandbox there are none yet.
    if not session and _LOOKS_LIKE_PATH.fullmatch(argument):
        raise WrongUsage(f"there is no file {argument!r}", hint="if it is code, put spaces around its `/`")
    return argument


def _is_path(argument: str) -> bool:
    if "\n" in argument or "\0" in argument:
        return False
    if argument.endswith(".py"):
        return True
    try:
        return ("/" in argument or os.sep in argument) and Path(argument).is_file()
    except OSError:
        return False  # too long for a path


def _decoded(source: bytes, name: str) -> str:
    try:
        # Python's own rules: UTF-8, unless the first lines declare something else.
        encoding, _ = detect_encoding(BytesIO(source).readline)
        return source.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{name} is no Python source: {error}") from None
