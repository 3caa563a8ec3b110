"""Shell commands of a cell: bash, with the cell's own standard streams."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

# What a program that finds no network should do: give up soon.
_DEFAULTS = {"PIP_RETRIES": "0", "PIP_DEFAULT_TIMEOUT": "5", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def run(command: str | list[str], script: str | None = None) -> int:
    """Run a command and return its exit code, 128 + n for one that signal n ended.

    Args:
        command: a line for bash, or an argument list.
        script: what the command reads from its standard input.
    """
    _flush()
    # Where the code has replaced sys.stdout, it wants the output there.
    redirected = sys.stdout is not sys.__stdout__
    with _started(command, script, stdout=subprocess.PIPE if redirected else None) as process:
        _feed(process, script)
        for line in process.stdout or ():
            sys.stdout.write(line)
        code = process.wait()
    return code if code >= 0 else 128 - code


def output(command: str) -> tuple[list[str], int]:
    """Run a command and return the lines it wrote, of both its streams, and its exit code."""
    _flush()
    with _started(command, None, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        text, _ = process.communicate()
    code = process.returncode
    return text.splitlines(), code if code >= 0 else 128 - code


def check(name: str, code: int) -> None:
    """Raise for a `%%name` cell that fails what IPython raises for it."""
    if code != 0:
        raise subprocess.CalledProcessError(code, f"%%{name}")


def pip(arguments: str) -> int:
    """Run this environment's pip, and say what most likely went wrong when it fails."""
    code = run(f"{_quoted(sys.executable)} -m pip {arguments}")
    if code != 0:
        sys.stderr.write(
            "pip failed. If it could not reach an index: code here runs without a network; "
            "use what is installed (`%pip list`), or upload a wheel and install it by its path.\n"
        )
    return code


@contextlib.contextmanager
def _started(command: str | list[str], script: str | None, **streams: Any) -> Iterator[subprocess.Popen[str]]:
    # An interrupt between the fork and the return of Popen would leave a command that nobody knows of.
    with contextlib.ExitStack() as uninterrupted:
        uninterrupted.enter_context(_interrupts_held())
        with _popen(command, script, **streams) as process:
            try:
                uninterrupted.close()
                yield process
            except BaseException:
                _kill(process)
                raise


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            signal.raise_signal(signal.SIGINT)


def _popen(command: str | list[str], script: str | None, **streams: Any) -> subprocess.Popen[str]:
    bash = shutil.which("bash") or "/bin/sh"
    return subprocess.Popen(
        [bash, "-c", command] if isinstance(command, str) else command,
        stdin=subprocess.DEVNULL if script is None else subprocess.PIPE,
        env={**_DEFAULTS, **os.environ},
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
        **streams,
    )


def _kill(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _feed(process: subprocess.Popen[str], script: str | None) -> None:
    if process.stdin is not None and script is not None:
        try:
            process.stdin.write(script)
            process.stdin.close()
        except BrokenPipeError:
            pass


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
