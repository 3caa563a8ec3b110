"""The few magics that need no IPython."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import runpy
import shlex
import sys
import time
import timeit
from typing import Any, Callable

from . import shell

_OPTIONS = re.compile(r"^(-[a-z]\s*\d*\s*)+")
_NEEDLESS = frozenset(["matplotlib", "load_ext", "autoreload", "config"])


class MagicNotAvailable(RuntimeError):
    """Raised for a magic that only IPython has."""


MagicNotAvailable.__module__ = "builtins"


class Captured:
    """What a `%%capture` cell wrote."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()

    @property
    def stdout(self) -> str:
        """Its standard output."""
        return self.out.getvalue()

    @property
    def stderr(self) -> str:
        """Its standard error."""
        return self.err.getvalue()

    def __str__(self) -> str:
        return self.stdout


class Magics:
    """What the lines that `transform` rewrites call.

    Args:
        namespace: the user's.
        run: runs source as a cell would, without a result of its own, and returns its last value.
    """

    def __init__(self, namespace: dict[str, Any], run: Callable[[str], Any]) -> None:
        self._namespace = namespace
        self._run = run

    def line(self, name: str, line: str) -> Any:
        """Run a `%name line`."""
        if name in _NEEDLESS:
            return None
        return self._find("line", "%", name)(self.expand(line))

    def cell(self, name: str, line: str, body: str) -> Any:
        """Run a `%%name line` with the rest of its cell."""
        return self._find("cell", "%%", name)(line, body)

    def system(self, command: str) -> None:
        """Run a `!command`."""
        self._namespace["_exit_code"] = shell.run(self.expand(command))

    def lines(self, command: str) -> list[str]:
        """Run a command and return what it wrote."""
        lines, self._namespace["_exit_code"] = shell.output(self.expand(command))
        return lines

    def help(self, name: str) -> None:
        """Print what there is to read about a name."""
        try:
            value = eval(name, self._namespace)
        except Exception:
            _say(f"Object `{name}` not found.")
            return
        _say(f"Type: {type(value).__name__}")
        with contextlib.suppress(TypeError, ValueError):
            _say(f"Signature: {name}{inspect.signature(value)}")
        _say(inspect.getdoc(value) or "<no docstring>")

    def expand(self, text: str) -> str:
        """Put values in the place of ``$name`` and ``{expression}``, and leave the shell's own alone."""
        return re.sub(r"\{([^{}]+)\}|\$(\w+)", self._value_of, text)

    def _value_of(self, match: re.Match[str]) -> str:
        if match[2] and match[2] not in self._namespace:
            return match[0]
        try:
            return str(eval(match[1] or match[2], self._namespace))
        except Exception:
            return match[0]

    def _find(self, kind: str, mark: str, name: str) -> Callable[..., Any]:
        method = getattr(self, f"_{kind}_{name}", None)
        if method is None:
            there = [f"{mark}{entry[6:]}" for entry in dir(self) if entry.startswith(f"_{kind}_")]
            raise MagicNotAvailable(
                f"{mark}{name} is not available: the environment has no IPython, which most magics need; "
                f"without it there are {', '.join(there)} and !commands"
            )
        found: Callable[..., Any] = method
        return found

    def _line_cd(self, line: str) -> None:
        os.chdir(os.path.expanduser(line.strip("'\"") or "~"))
        _say(os.getcwd())

    def _line_pwd(self, line: str) -> str:
        return os.getcwd()

    def _line_ls(self, line: str) -> None:
        self.system(f"ls {line}")

    def _line_env(self, line: str) -> Any:
        name, assigned, value = line.partition("=") if "=" in line else line.partition(" ")
        if not name:
            return dict(os.environ)
        if not assigned:
            return os.environ.get(name)
        os.environ[name.strip()] = value.strip()
        _say(f"env: {name.strip()}={value.strip()}")
        return None

    def _line_who(self, line: str) -> None:
        names = [
            name
            for name, value in self._namespace.items()
            if not name.startswith("_") and not inspect.ismodule(value) and name not in ("In", "Out")
        ]
        _say("\t".join(sorted(names)) or "Interactive namespace is empty.")

    def _line_pip(self, line: str) -> None:
        self._namespace["_exit_code"] = shell.pip(line)

    def _line_run(self, line: str) -> None:
        arguments = shlex.split(line)
        before, sys.argv = sys.argv, arguments
        try:
            left = runpy.run_path(arguments[0], dict(self._namespace), "__main__")
        finally:
            sys.argv = before
        self._namespace.update({name: value for name, value in left.items() if not name.startswith("__")})

    def _line_time(self, line: str) -> Any:
        return self._cell_time("", line)

    def _line_timeit(self, line: str) -> None:
        self._cell_timeit("", _OPTIONS.sub("", line))

    def _cell_time(self, line: str, body: str) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        value = self._run(body)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        _say(f"CPU times: total: {_duration(cpu)}\nWall time: {_duration(wall)}")
        return value

    def _cell_timeit(self, line: str, body: str) -> None:
        timer = timeit.Timer(body, _OPTIONS.sub("", line) or "pass", globals=self._namespace)
        number, _ = timer.autorange()
        runs = [total / number for total in timer.repeat(5, number)]
        _say(f"{_duration(min(runs))} per loop (best of 5 runs, {number} loops each)")

    def _cell_bash(self, line: str, body: str) -> None:
        self._script("bash", line, body)

    def _cell_sh(self, line: str, body: str) -> None:
        self._script("sh", line, body)

    def _script(self, name: str, line: str, body: str) -> None:
        self._namespace["_exit_code"] = code = shell.run([name, "-s", *shlex.split(line)], body)
        shell.check(name, code)

    def _cell_writefile(self, line: str, body: str) -> None:
        append, path = line.startswith("-a "), line[3:].strip() if line.startswith("-a ") else line
        with open(path, "a" if append else "w", encoding="utf-8") as target:
            target.write(body)
        _say(f"{'Appending to' if append else 'Writing'} {path}")

    def _cell_capture(self, line: str, body: str) -> None:
        captured = Captured()
        with contextlib.redirect_stdout(captured.out), contextlib.redirect_stderr(captured.err):
            self._run(body)
        if line:
            self._namespace[line] = captured


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"
