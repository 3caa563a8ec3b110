"""`insitu serve` as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import await_ends, descendants

INSITU = (sys.executable, "-m", "insitu")
_WAIT_S = 50


@dataclass(frozen=True)
class Served:
    """A server that listens.

    Args:
        said: the lines of its start, from the one that tells its address.
    """

    process: subprocess.Popen[str]
    url: str
    said: list[str]


@contextmanager
def served(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A server that nothing of this process's environment sets up; it and all below it end with the block."""
    command = [*INSITU, "serve", "--port", "0", "--preimport", "", *arguments]
    environment = clean_environment(folder) | dict(env or {})
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder, env=environment)
    assert process.stderr
    try:
        said = [process.stderr.readline()]
        while said[-1] and not said[-1].startswith("  try "):
            said.append(process.stderr.readline())
        assert said[0] == "starting …\n" and said[-1], "".join(said)
        url = next(line.split()[3] for line in said if line.startswith("insitu listens on "))
        yield Served(process, url, said[1:])
    finally:
        below = descendants(process.pid)
        process.kill()
        process.wait()
        process.stderr.close()
        await_ends(below)


@contextmanager
def serving(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """A server's address, and what it said at its start; it is asked to end, and has nothing more to say."""
    with served(folder, "--pool-size", "1", *arguments, env=env) as server:
        yield server.url, server.said
        server.process.send_signal(signal.SIGTERM)
        _, later = server.process.communicate(timeout=_WAIT_S)
        assert (server.process.returncode, later) == (0, "")


def clean_environment(home: Path) -> dict[str, str]:
    """This process's environment without what insitu, Typer and terminals would read from it."""
    gone = ("INSITU_", "_INSITU_", "TYPER_", "XDG_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONWARNINGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(gone)}
    return kept | {"HOME": str(home), "COLUMNS": "100", "PYTHONWARNINGS": "error"}
