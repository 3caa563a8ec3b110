"""Where code runs: a sandbox of this process, or a session on a server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Union

from insitu.errors import SessionNotFound, WorkspaceFull

from .configuration import read_settings
from .errors import WrongUsage
from .signals import at_ctrl_c, leave

if TYPE_CHECKING:
    from insitu.client import Client, ClientSession
    from insitu.local import Sandbox
    from insitu.options import SizeOptions

Target = Union["ClientSession", "Sandbox"]

_FULL_ID = len("sess_") + 32


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options say of where the code is to run.

    Args:
        session: the id, or the start of one, of a session that lives already; this needs a server.
        python: the environment's interpreter; only without a server.
        environment: the name of an environment; only with a server.
    """

    url: str | None = None
    session: str | None = None
    python: Path | None = None
    environment: str | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    cpus: float | None = None

    @contextmanager
    def open(self) -> Iterator[Target]:
        """The sandbox or session; it ends with the block, unless it was there before."""
        self._check()
        if self.url or self.session:
            with connect(self.url) as client, self._session(client) as session:
                yield session
        else:
            with at_ctrl_c(leave), self._sandbox() as sandbox:
                yield sandbox

    def upload(self, target: Target, files: Mapping[str, Path]) -> None:
        """Copy files of this machine into the workspace, under these names."""
        for name, path in files.items():
            try:
                target.files.upload(path, name)
            except WorkspaceFull as error:
                error.message += f"; this one has {path.stat().st_size}"
                if not self.session:
                    error.hint = "allow more with --disk SIZE, and with --mem SIZE, because files are in memory"
                raise

    def _check(self) -> None:
        server = self.url or self.session
        if self.python and server:
            raise WrongUsage(
                "--python is for code in this process", hint="on a server (--url or INSITU_URL): --environment"
            )
        if self.environment and not server:
            raise WrongUsage("--environment is for code on a server", hint="add --url, or name a --python")
        if self.session and (self._sizes() or self.environment):
            raise WrongUsage(
                "--mem, --disk, --cpus and --environment are for new sessions; that of --session is made already",
                hint="leave them out, or leave out --session",
            )

    def _session(self, client: Client) -> ClientSession:
        if self.session:
            return client.connect(full_id(client, self.session))
        return client.session(environment=self.environment, **self._sizes())

    def _sizes(self) -> SizeOptions:
        sizes: SizeOptions = {"memory_bytes": self.memory_bytes, "disk_bytes": self.disk_bytes, "cpus": self.cpus}
        return sizes if any(sizes.values()) else {}

    def _sandbox(self) -> Sandbox:
        from insitu.local import Sandbox

        return Sandbox(
            python=self.python,
            # For one sandbox nothing is worth importing ahead, and no pool worth filling.
            preimport=None if "INSITU_PREIMPORT" in os.environ else (),
            settings=read_settings({"pool_size": 0}),
            **self._sizes(),
        )


@contextmanager
def connect(url: str | None) -> Iterator[Client]:
    """A client of the server that was named, or of the one on this machine."""
    from insitu.client import Client

    from .probe import explaining_server

    with Client(url) as client, explaining_server(client.url):
        yield client


def full_id(client: Client, start: str) -> str:
    """The id of the one session whose id begins so, with or without ``sess_``."""
    start = start if start.startswith("sess_") else f"sess_{start}"
    if len(start) == _FULL_ID:
        return start
    found = [info.id for info in client.sessions() if info.id.startswith(start)]
    if len(found) == 1:
        return found[0]
    if found:
        raise WrongUsage(f"{len(found)} sessions begin with {start!r}: {', '.join(found[:5])}", hint="write more of it")
    raise SessionNotFound(start)
