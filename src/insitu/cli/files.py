"""`insitu files` and `insitu cp`: the workspace of a session."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from .errors import WrongUsage
from .options import AsJson, Session, Url
from .target import connect, full_id
from .text import as_json, note, size, table

if TYPE_CHECKING:
    from insitu.client.files import SessionFiles
    from insitu.types import FileInfo

EXAMPLES = (
    "insitu cp sales.csv 3f2a:",
    "insitu cp sales.csv 3f2a:data/january.csv",
    "insitu cp 3f2a:plot.png .",
    "insitu cp 3f2a:report.txt - | less",
)


def files(
    session: Session,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder of the workspace.", show_default=False)] = "",
    depth: Annotated[int, typer.Option("--depth", min=1, metavar="N", help="Levels of folders.")] = 1,
    url: Url = None,
    json: AsJson = False,
) -> None:
    """List the files of a session."""
    with _workspace(session, url) as workspace:
        found = workspace.list(path, depth)
    if json:
        print(as_json([{k: v for k, v in asdict(info).items() if k != "base64"} for info in found]))
    else:
        print(table(("SIZE", "MODIFIED", "PATH"), map(_row, found)))


def _row(info: FileInfo) -> tuple[str, ...]:
    modified = datetime.fromtimestamp(info.modified).strftime("%Y-%m-%d %H:%M:%S")
    end = {"directory": "/", "link": "@"}.get(info.kind, "")
    return size(info.size) if info.kind == "file" else "-", modified, info.path + end


class Remote(NamedTuple):
    """A path in a session's workspace."""

    session: str
    path: str


def cp(
    source: Annotated[str, typer.Argument(metavar="SRC", help="A file, or SESSION:PATH, or - for standard input.")],
    target: Annotated[str, typer.Argument(metavar="DST", help="The other one; - is standard output.")],
    url: Url = None,
) -> None:
    """Copy a file into a session's workspace, or out of it.

    What has a colon before any slash is SESSION:PATH. A target that is empty or ends in / is the folder to copy into.
    """
    origin, goal = _remote(source), _remote(target)
    if (origin is None) == (goal is None):
        raise WrongUsage(
            "one of the two must be a session's file, and the other one a file of this machine",
            hint="insitu cp data.csv SESSION:  or  insitu cp SESSION:plot.png .",
        )
    if goal:
        _upload(source, goal, url)
    elif origin:
        _download(origin, target, url)


def _remote(argument: str) -> Remote | None:
    session, colon, path = argument.partition(":")
    # One letter is a drive of Windows.
    if not colon or len(session) < 2 or "/" in session or "\\" in session:
        return None
    return Remote(session, path)


def _upload(source: str, goal: Remote, url: str | None) -> None:
    path = goal.path
    if not path or path.endswith("/"):
        if source == "-":
            raise WrongUsage("standard input has no name of its own", hint=f"name it: {goal.session}:{path}NAME")
        path += Path(source).name
    if source != "-" and not Path(source).is_file():
        raise WrongUsage(f"{source!r} {'is a folder' if Path(source).is_dir() else 'does not exist'}")
    with _workspace(goal.session, url) as workspace:
        info = workspace.write(path, sys.stdin.buffer if source == "-" else Path(source))
    note(f"wrote {info.path}, {size(info.size)}")


def _download(origin: Remote, target: str, url: str | None) -> None:
    with _workspace(origin.session, url) as workspace:
        if target == "-":
            sys.stdout.buffer.write(workspace.read(origin.path))
            sys.stdout.buffer.flush()
            return
        if target.endswith("/"):
            Path(target).mkdir(parents=True, exist_ok=True)
        note(f"wrote {workspace.download(origin.path, target)}")


@contextmanager
def _workspace(session: str, url: str | None) -> Iterator[SessionFiles]:
    with connect(url) as client:
        yield client.connect(full_id(client, session)).files
