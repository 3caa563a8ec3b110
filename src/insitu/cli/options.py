"""The options that several commands share, and how their values are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from insitu.types.sizes import parse_size

from .errors import WrongUsage


def examples(*lines: str) -> str:
    """The end of a command's help; the first character keeps the lines as they are."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _bytes(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="INSITU_URL",
        show_envvar=True,
        metavar="URL",
        help="Address of a server, which gets the key INSITU_API_KEY.",
    ),
]
SessionOption = Annotated[
    str | None, typer.Option("--session", metavar="ID", help="A session of the server; it lives on afterwards.")
]
Session = Annotated[str, typer.Argument(metavar="SESSION", help="Id of a session, or the start of one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Python = Annotated[
    Path | None,
    typer.Option("--python", metavar="PATH", help="The Python whose packages the code has (without a server)."),
]
Environment = Annotated[
    str | None, typer.Option("--environment", metavar="NAME", help="One of the server's environments.")
]
Time = Annotated[float | None, typer.Option("--time", metavar="SECONDS", help="Wall time of an execution.")]
Memory = Annotated[
    int | None,
    typer.Option("--mem", parser=_bytes, metavar="SIZE", help="Memory, such as 512m or 2g."),
]
Disk = Annotated[
    int | None,
    typer.Option("--disk", parser=_bytes, metavar="SIZE", help="Room for files, which are in memory, such as 512m."),
]
Cpus = Annotated[float | None, typer.Option("--cpus", metavar="N", help="Processors, such as 0.5.")]
EnvVars = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="NAME=VALUE", help="An environment variable of the code; may be repeated."),
]
Files = Annotated[
    list[str] | None,
    typer.Option("--file", "-f", metavar="PATH[:NAME]", help="A file for the workspace; may be repeated."),
]


def env_vars(pairs: list[str] | None) -> dict[str, str]:
    """The variables of ``--env``."""
    found = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise WrongUsage(f"--env {pair!r} is no variable", hint="write it like --env NAME=VALUE")
        found[name] = value
    return found


def uploads(arguments: list[str] | None) -> dict[str, Path]:
    """The files of ``--file``, by their names in the workspace."""
    found = {}
    for argument in arguments or ():
        local, name = Path(argument), ""
        if not local.exists():
            path, _, name = argument.rpartition(":")
            local = Path(path or argument)
        if not local.is_file():
            reason = "is a folder" if local.is_dir() else "does not exist"
            raise WrongUsage(f"--file {argument}: {str(local)!r} {reason}", hint="name a file, as PATH or PATH:NAME")
        found[name or local.name] = local
    return found
