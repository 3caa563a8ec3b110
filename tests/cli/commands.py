"""The command line as others see it: a process with arguments, streams and an exit code."""

from __future__ import annotations

import atexit
import functools
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.serve_command import INSITU, clean_environment
from tests.support.warm import Warm

_WAIT_S = 50


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    out: str
    err: str


class Commands:
    """Runs commands in a folder of their own, with an environment that says nothing to insitu.

    Args:
        url: the server that the commands are for, if any.
    """

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.env = clean_environment(folder) | ({"INSITU_URL": url} if url else {})

    def __call__(self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Ended:
        environment = self.env | dict(env or {})
        return Ended(*_warm().run(arguments, stdin, self.folder, environment, _WAIT_S))

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs on; its end is that of the block, at the latest."""
        with subprocess.Popen(
            [*INSITU, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.env,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def terminal(self, *arguments: str, term: str = "dumb") -> Iterator[Terminal]:
        """A command at a terminal of its own."""
        ours, theirs = os.openpty()
        command = ["setsid", "--ctty", *INSITU, *arguments]
        process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=self.folder, env=self.env | {"TERM": term}
        )
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            process.kill()
            process.wait()
            os.close(ours)


@functools.cache
def _warm() -> Warm:
    made = Warm(clean_environment(Path(tempfile.gettempdir())))
    atexit.register(made.close)
    return made


class Terminal:
    """What someone types, and sees."""

    def __init__(self, fd: int, process: subprocess.Popen[bytes]) -> None:
        self._fd = fd
        self._process = process
        self._seen = ""

    def type(self, text: str) -> None:
        """Press these keys; ``\\x03`` is Ctrl-C, ``\\x04`` is Ctrl-D."""
        os.write(self._fd, text.encode())

    def until(self, text: str) -> str:
        """Read on until this text appears; returns what was there, with it."""
        while text not in self._seen:
            assert self._read(), f"{text!r} does not appear after {self._seen!r}"
        end = self._seen.index(text) + len(text)
        found, self._seen = self._seen[:end], self._seen[end:]
        return found

    def interrupt_prompt(self, text: str) -> str:
        """Press Ctrl-C at a prompt until this text appears.

        Readline does not see the one that comes between its writing the prompt and its waiting for a key.
        """
        self.type("\x03")
        while text not in self._seen:
            if not self._read(timeout_s=2):
                self.type("\x03")
        return self.until(text)

    def end(self) -> Ended:
        """Read to the end."""
        while self._read():
            pass
        return Ended(self._process.wait(_WAIT_S), self._seen, "")

    def _read(self, timeout_s: float = _WAIT_S) -> bool:
        if not select.select([self._fd], [], [], timeout_s)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # nobody holds the other end any more
            return False
        self._seen += data.decode().replace("\r", "")
        return bool(data)
