"""`insitu ps`, `new`, `interrupt` and `rm`: the sessions of a server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from .options import AsJson, Cpus, Disk, Environment, EnvVars, Memory, Session, Url
from .options import env_vars as read_env_vars
from .target import connect, full_id
from .text import as_json, duration, note, size, table

if TYPE_CHECKING:
    from insitu.types import SessionInfo


def ps(url: Url = None, json: AsJson = False) -> None:
    """List a server's sessions."""
    with connect(url) as client:
        sessions = client.sessions()
    if json:
        print(as_json([info.to_dict() for info in sessions]))
    else:
        head = ("SESSION", "STATE", "AGE", "IDLE", "MEMORY", "EXECUTIONS", "ENVIRONMENT")
        print(table(head, (_row(info, time.time()) for info in sessions)))


def _row(info: SessionInfo, now: float) -> tuple[str, ...]:
    return (
        info.id,
        info.state,
        duration(now - info.created),
        "-" if info.state == "busy" else duration(now - info.last_used),
        size(info.limits.memory_bytes),
        str(info.executions),
        info.environment,
    )


def new(
    mem: Memory = None,
    disk: Disk = None,
    cpus: Cpus = None,
    env: EnvVars = None,
    environment: Environment = None,
    url: Url = None,
) -> None:
    """Make a session on a server, and print its id."""
    variables = read_env_vars(env)
    with connect(url) as client:
        made = client.session(environment=environment, memory_bytes=mem, disk_bytes=disk, cpus=cpus, env_vars=variables)
        print(made.id)


def interrupt(session: Session, url: Url = None) -> int:
    """Stop what runs in a session, as Ctrl-C would.

    Its variables are kept. The exit code is 1 if nothing ran.
    """
    with connect(url) as client:
        stopped = client.connect(full_id(client, session)).interrupt()
    note("interrupted" if stopped else "nothing runs in this session")
    return 0 if stopped else 1


def rm(
    session: Annotated[list[str], typer.Argument(metavar="SESSION", help="Ids of sessions, or starts of them.")],
    url: Url = None,
) -> None:
    """End sessions, with their state and files."""
    with connect(url) as client:
        for id in [full_id(client, start) for start in session]:
            client.connect(id).close()
            print(id)
