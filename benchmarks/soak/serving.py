"""The server under load: a real one, in a process of its own, with a log that is kept."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import Server, wait_until_warm
from tests.support.processes import await_ends, descendants

POOL = 8
_START_S, _STOP_S = 60.0, 60.0


class Serving:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.pid = process.pid
        self._process = process
        self._log = log

    def log(self) -> str:
        """All that it has said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> list[str]:
        """Stop it as an operator does; what is not as it should be afterwards."""
        below = descendants(self.pid)
        self._process.terminate()
        try:
            code = self._process.wait(_STOP_S)
            await_ends(below)
        except (subprocess.TimeoutExpired, TimeoutError) as error:
            return [f"the server does not stop: {error}"]
        wrong = [f"the server stopped with exit code {code}"] if code else []
        return wrong + [f"a stopped server leaves the cgroup {path}" for path in cgroups(self.pid)]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Serving]:
    """Start ``insitu serve``, and wait until its pool is full; it is killed at the end if it was not stopped."""
    log = folder / "log"
    settings = {"port": 0, "data-dir": folder / "data", "pool-size": POOL}
    own = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "insitu", "serve", *own, *options]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr)
    try:
        port = _port(process, log)
        wait_until_warm(Server(port))
        yield Serving(process, port, log)
    finally:
        process.kill()
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text(encoding="utf-8"))
        if found:
            return int(found[1])
        time.sleep(0.02)  # a file of a log tells nobody of a new line; a pipe would want a reader for all the run
    raise RuntimeError(f"the server did not start: {log.read_text(encoding='utf-8')}")


def cgroups(server: int) -> list[str]:
    """The control groups of a server: those at the top, and all in them."""
    found = []
    for folder, names, _ in os.walk("/sys/fs/cgroup"):
        ours = [name for name in names if name.startswith(f"insitu-{server}-")]
        found += [path for name in ours for path, _, _ in os.walk(os.path.join(folder, name))]
        names[:] = [name for name in names if not name.startswith("insitu-")]
    return found
