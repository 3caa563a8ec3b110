from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

GUEST = Path(__file__).parents[2] / "src" / "insitu" / "guest"
SERVER = Path(__file__).with_name("cell_server.py")
# Any Python that the guest is to run on, with whatever packages it has: the tests then tell what does not work there.
PYTHON = os.environ.get("INSITU_TEST_GUEST_PYTHON", sys.executable)
_NUDGE_S = 0.01


class Ran:
    """What one cell gave."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.shown = [message["data"] for message in messages[:-1] if not message["main"]]
        self.mains = [message["data"] for message in messages[:-1] if message["main"]]
        self.stdout: str = messages[-1]["stdout"]
        self.stderr: str = messages[-1]["stderr"]
        self.error = messages[-1]["error"] and SimpleNamespace(**messages[-1]["error"])

    @property
    def text(self) -> str | None:
        """The main result's text, once the cell has ended without an error."""
        assert self.error is None, self.error.traceback
        return self.mains[0]["text/plain"] if self.mains else None


class Notebook:
    """A process that runs cells, forked from a prepared one."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._received = bytearray()
        self._interrupted = False
        self.pid: int = self.receive()["pid"]

    def run(self, code: str) -> Ran:
        self.send(code)
        return self.finish()

    def send(self, code: str) -> None:
        self._interrupted = False
        self._socket.sendall(json.dumps(code).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        while b"\n" not in self._received:
            if self._interrupted and not select.select([self._socket], [], [], _NUDGE_S)[0]:
                os.kill(self.pid, signal.SIGURG)  # as the engine does
                continue
            data = self._socket.recv(1 << 16)
            assert data, "the interpreter is gone"
            self._received += data
        line, _, self._received = self._received.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def finish(self) -> Ran:
        messages = [self.receive()]
        while "stdout" not in messages[-1]:
            messages.append(self.receive())
        return Ran(messages)

    def interrupt(self) -> None:
        """Interrupt the cell."""
        os.kill(self.pid, signal.SIGINT)
        self.insist()

    def insist(self) -> None:
        """See to it that an interrupt is not lost, for as long as the cell is waited for."""
        self._interrupted = True

    def close(self) -> None:
        self._socket.close()


@contextmanager
def cell_server(folder: Path, python: str = sys.executable, *options: str) -> Iterator[Path]:
    """Serve cells with a Python; ``folder`` gets the guest as a package, as in a sandbox, and a home."""
    (folder / "insitu_guest").symlink_to(GUEST)
    (folder / "home").mkdir()
    environment = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    path = folder / "socket"
    # Old packages warn on their own account.
    warnings = ["-W", "error"] if python == sys.executable else []
    process = subprocess.Popen(
        [python, *warnings, str(SERVER), str(folder), "insitu_guest", str(path), *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield path
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    started: dict[tuple[str, ...], Path] = {}
    with ExitStack() as stack:

        def start(*options: str) -> Path:
            if options not in started:
                folder = tmp_path_factory.mktemp("cells")
                started[options] = stack.enter_context(cell_server(folder, PYTHON, *options))
            return started[options]

        yield start


@pytest.fixture
def open_notebook(servers: Callable[..., Path]) -> Iterator[Callable[..., Notebook]]:
    """Open notebooks; options: `--plain` for no IPython, names of modules to import before the fork."""
    with ExitStack() as stack:

        def open_one(*options: str) -> Notebook:
            notebook = Notebook(servers(*options))
            stack.callback(notebook.close)
            return notebook

        yield open_one


@pytest.fixture(params=["ipython", "plain"])
def notebook(request: pytest.FixtureRequest, open_notebook: Callable[..., Notebook]) -> Notebook:
    """A notebook, once with IPython and once without."""
    return open_notebook(*(["--plain"] if request.param == "plain" else []))


@pytest.fixture
def ipython(open_notebook: Callable[..., Notebook]) -> Notebook:
    return open_notebook()


@pytest.fixture
def plain(open_notebook: Callable[..., Notebook]) -> Notebook:
    return open_notebook("--plain")


@pytest.fixture
def data_notebook(open_notebook: Callable[..., Notebook]) -> Notebook:
    """A notebook with the packages of data analysis imported before the fork."""
    return open_notebook("numpy", "pandas", "matplotlib.pyplot", "PIL.Image")
