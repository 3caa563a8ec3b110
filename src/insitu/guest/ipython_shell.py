"""An InteractiveShell that leaves the process, its files and the running of cells alone."""

from __future__ import annotations

import importlib
import sys
from types import new_class
from typing import Any

from . import display, plots, shell

_FOLDER = "/tmp/.ipython/profile_default"


def make_class() -> Any:
    """Return the class, made on demand of IPython's own and the parts below."""
    core: Any = importlib.import_module("IPython.core.interactiveshell")
    if hasattr(core, "PickleShareDB"):
        core.PickleShareDB = lambda root: {}  # IPython 8 would make its database's folder at once
    made = _mix(GuestShell, core.InteractiveShell)
    made.displayhook_class = _mix(GuestHook, core.DisplayHook)
    made.display_pub_class = _mix(GuestPublisher, core.DisplayPublisher)
    made.compiler_class = _mix(GuestCompiler, core.CachingCompiler)
    return made


def _make_nothing(profile: Any, change: Any) -> None:
    pass


def _mix(part: type, base: Any) -> Any:
    return new_class(part.__name__, (part, base))


class GuestShell:
    """What differs from IPython's InteractiveShell."""

    muted = 0
    user_ns: dict[str, Any]

    def init_ipython_dir(self, ipython_dir: Any) -> None:
        """Make no folder."""

    def init_profile_dir(self, profile_dir: Any) -> None:
        """Name a folder, and leave the making to whatever keeps something in it."""
        base = importlib.import_module("IPython.core.profiledir").ProfileDir
        on_location = importlib.import_module("traitlets").observe("location")
        unmade = type("GuestProfile", (base,), {"_location_changed": on_location(_make_nothing)})
        self.profile_dir = unmade(location=_FOLDER)

    def init_virtualenv(self) -> None:
        """Look for no other environment: this is the one."""

    def init_display_formatter(self) -> None:
        """Take the formatter that completes bundles."""
        base = importlib.import_module("IPython.core.formatters").DisplayFormatter
        self.display_formatter = _mix(GuestFormatter, base)(parent=self)

    def init_user_ns(self) -> None:
        """Hide none of Python's own names."""
        parent: Any = super()
        parent.init_user_ns()
        for name in ("exit", "quit", "open"):
            self.user_ns.pop(name, None)

    def system(self, cmd: str) -> None:
        """Run a `!command`."""
        parent: Any = super()
        self.user_ns["_exit_code"] = shell.run(parent.var_expand(cmd, depth=1))

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """Run a command for its output."""
        parent: Any = super()
        lines, self.user_ns["_exit_code"] = shell.output(parent.var_expand(cmd, depth=depth + 1))
        text: Any = importlib.import_module("IPython.utils.text")
        return text.SList(lines) if split else text.LSString("\n".join(lines))

    def enable_gui(self, gui: Any = None) -> None:
        """Have no windows."""

    def enable_matplotlib(self, gui: Any = None) -> tuple[str, str]:
        """Keep the backend, whatever `%matplotlib` asks for."""
        return "inline", plots.BACKEND

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **options: Any) -> None:
        """Raise what IPython would print and forget, so that it becomes the cell's error."""
        error = (exc_tuple or sys.exc_info())[1]
        if error is not None and not self.muted:
            raise error

    def showsyntaxerror(self, *args: Any, **options: Any) -> None:
        """Raise it, too."""
        self.showtraceback()

    def safe_execfile(self, *args: Any, **options: Any) -> None:
        """Run a file for `%run`, which fails when the file does."""
        parent: Any = super()
        parent.safe_execfile(*args, **{**options, "raise_exceptions": True})

    def run_cell(self, *args: Any, **options: Any) -> Any:
        """Run code from within a cell: its error is raised, its figures go where its output goes."""
        parent: Any = super()
        self.muted += 1
        try:
            result = parent.run_cell(*args, **options)
        finally:
            self.muted -= 1
        result.raise_error()
        plots.flush()
        return result


class GuestCompiler:
    """Names the code that magics run after the cell."""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """Return what stands for a file name in tracebacks."""
        return f"<cell {number}, magic>"


class GuestFormatter:
    """Formats without complaint: what fails is left out."""

    parent: Any

    def format(self, obj: Any, include: Any = None, exclude: Any = None) -> tuple[display.Bundle, Any]:
        """Return the bundle of a value and its metadata, both empty if the value has shown itself."""
        base: Any = super()
        self.parent.muted += 1
        try:
            data, metadata = base.format(obj, include=include, exclude=exclude)
        finally:
            self.parent.muted -= 1
        if data or not hasattr(type(obj), "_ipython_display_"):
            data = display.complete(obj, data)
        return data, metadata


class GuestPublisher:
    """Sends what `display()` is given on its way."""

    def _setup_execution_tracking(self) -> None:
        pass

    def publish(self, data: display.Bundle, *args: Any, **options: Any) -> None:
        """Publish a bundle; an update of an earlier one is shown as one more."""
        display.emit(display.finish(data))

    def clear_output(self, wait: bool = False) -> None:
        """Leave what is sent."""


class GuestHook:
    """Shows the results of code that a magic runs."""

    def __call__(self, result: Any = None) -> None:
        """Publish a result, unless there is none."""
        base: Any = self
        if result is not None:
            base.fill_exec_result(result)
            display.emit(base.compute_format_data(result)[0])
