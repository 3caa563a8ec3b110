"""Runs cells: what a Jupyter kernel would do with each, in one place."""

from __future__ import annotations

import builtins
import contextlib
import inspect
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Callable, Protocol

from . import display, plots, stdin, tracebacks, warm
from .compiling import COROUTINE, Compiler, Rewriter
from .failures import CellError, describe
from .history import History, cell_name
from .interrupts import Interrupts
from .plain import Plain

if TYPE_CHECKING:
    from .display import Bundle
    from .loop import CellLoop

_eval, _getpid, _exit = eval, os.getpid, os._exit


class Provider(Rewriter, Protocol):
    """Where transformation of source, magics and formatters come from."""

    inputs: list[str]
    outputs: dict[int, Any]

    def bundle(self, value: Any) -> Bundle: ...
    def before(self, number: int, source: str) -> None: ...
    def after(self) -> None: ...


class Shell:
    """One interpreter's cell runner; its namespace lives across cells.

    Args:
        publish: is given each MIME bundle, and whether it is the value of the cell's last expression.
        use_ipython: take IPython's magics and formatters if the environment has them.
    """

    def __init__(self, publish: Callable[[Bundle, bool], None], *, use_ipython: bool = True) -> None:
        self.publish = publish
        self._module = _new_main()
        self.namespace: dict[str, Any] = self._module.__dict__
        self._use_ipython = use_ipython
        self._provider: Provider | None = None
        self._history: History | None = None
        self._loop: CellLoop | None = None
        self._interrupts = Interrupts(lambda: self._loop is not None and self._loop.cancel())
        self._compiler = Compiler()
        self._number = 0
        self._pid = 0

    def prepare(
        self,
        run: Callable[[str], object] | None = None,
        rehearse: Callable[[Callable[[str], Any]], None] = warm.warm_up,
    ) -> None:
        """Do ahead of the fork what the first cell would have to do.

        Args:
            run: how to run a cell, if not just by :meth:`run`: then results are published, too.
            rehearse: what to run; it is given how.
        """
        _, history = self._start()
        publish = self.publish
        if run is None:
            self.publish = _drop
        names = dict(self.namespace)
        try:
            rehearse(run or self.run)
        finally:
            self.publish = publish
        self.namespace.clear()
        self.namespace.update(names)
        history.clear()
        self._compiler.forget()
        self._number = 0

    def install_signal_handler(self) -> None:
        """Let SIGINT interrupt the running cell; between two cells it does nothing."""
        self._interrupts.install()

    def shield(self, call: Callable[..., Any], *args: Any) -> None:
        """Call something that an interrupt must not cut in half."""
        self._interrupts.shield(call, *args)

    def complete(self, value: Any) -> Any:
        """A value, or what a coroutine comes to."""
        return self._cell_loop().complete(value) if inspect.iscoroutine(value) else value

    def run(self, code: str, *, stale_interrupt: bool = True) -> CellError | None:
        """Run one cell to its end, whatever it does; return what went wrong, if anything did.

        Args:
            stale_interrupt: whether a signal that has come already was meant for the cell before.
        """
        return self.perform(lambda: self._cell(code), stale_interrupt=stale_interrupt)

    def perform(self, work: Callable[[], None], *, stale_interrupt: bool) -> CellError | None:
        """Do what an interrupt may end; return what went wrong, if anything did."""
        self._pid = _getpid()
        self._interrupts.begin(forget=stale_interrupt)
        error = None
        try:
            self._interrupts.guard(work)
        except BaseException as raised:
            error = self._failure(raised)
        self._settle()
        if _getpid() != self._pid:
            _leave_child(error)
        return error

    def _start(self) -> tuple[Provider, History]:
        if self._provider is None or self._history is None:
            stdin.install()
            plots.install()
            display.connect(self._emit)
            vars(builtins).update(exit=Exit(), quit=Exit())
            self._provider = provider = self._find_provider()
            self._history = History(self.namespace, provider.inputs, provider.outputs)
        return self._provider, self._history

    def _find_provider(self) -> Provider:
        if self._use_ipython:
            from .ipython import IPython

            try:
                return IPython(self._module)
            except ImportError:
                pass
            except Exception as error:  # the environment's IPython is broken, or newer than this knows
                sys.stderr.write(f"IPython cannot be used: {error!r}\n")
        return Plain(self.namespace, self._run_nested)

    def _cell(self, source: str) -> None:
        provider, history = self._start()
        self._interrupts.check()
        self._number += 1
        number = self._number
        history.add_input(number, source)
        self.namespace.pop("__warningregistry__", None)
        provider.before(number, source)
        try:
            value = self._evaluate(provider, source, cell_name(number))
            if value is not None:
                data = provider.bundle(value)
                history.add_output(number, value)
                display.emit(data, main=True)
        except BaseException as error:
            plots.flush_despite(error)
            raise
        else:
            plots.flush()
        finally:
            provider.after()

    def _run_nested(self, source: str) -> Any:
        provider, _ = self._start()
        return self._evaluate(provider, source, f"<cell {self._number}, magic>")

    def _evaluate(self, provider: Provider, source: str, name: str) -> Any:
        codes = self._compiler.compile(provider, source, name)
        if any(code.co_flags & COROUTINE for code in codes):
            return self._cell_loop().run(codes, self.namespace)
        value = None
        for code in codes:
            value = _eval(code, self.namespace)
        return value

    def _cell_loop(self) -> CellLoop:
        if self._loop is None:
            from .loop import CellLoop  # here: asyncio is a large import, and few cells await

            self._loop = CellLoop()
        return self._loop

    def _emit(self, data: Bundle, main: bool) -> None:
        flush()
        if _getpid() == self._pid:
            self._interrupts.shield(self.publish, data, main)
        else:  # a child of the code's own has no way to the host but its streams
            sys.stdout.write(f"{data.get('text/plain', '')}\n")

    def _failure(self, error: BaseException) -> CellError:
        try:
            described: CellError = self._interrupts.guard(describe, error)
        except BaseException:
            return CellError(tracebacks.name_of(type(error)), "", "")
        return described

    def _settle(self) -> None:
        try:
            self._interrupts.end()
            flush()
        except BaseException:  # the code has broken its own streams or handlers
            pass


class Exit:
    """What `exit` and `quit` are: they end the cell, not the interpreter."""

    def __call__(self, code: Any = None) -> None:
        raise SystemExit() if code is None else SystemExit(code)

    def __repr__(self) -> str:
        return "Use exit() to end the cell"


def _drop(data: Bundle, main: bool) -> None:
    pass


def _new_main() -> ModuleType:
    module = ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    return module


def _leave_child(error: CellError | None) -> None:
    """End a process that the code forked and let run out of its cell: the host is the parent's to talk to."""
    code = 0
    try:
        if error is not None:
            code = 1 if error.exit_code is None else error.exit_code
            if error.exit_code is None:
                sys.stderr.write(error.traceback)
        flush()
    finally:
        _exit(code & 0xFF)


def flush() -> None:
    """Write out what code has printed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # user code may have closed or replaced it
            stream.flush()
