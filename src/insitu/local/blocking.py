"""A sandbox of this process, from ordinary code."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from copy import copy
from functools import partial
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from insitu.options import CallOptions, Listeners, ResultListener, RunOptions, SessionChanges, TextListener
from insitu.types import FileInfo

from .asynchronous import AsyncSandbox
from .setup import LocalOptions, make_settings, split_options
from .shared import shared_engine
from .tools import Functions, make_tools

if TYPE_CHECKING:
    from pathlib import Path

    from insitu.options import Content
    from insitu.sources import Function
    from insitu.types import CallResult, Event, Execution, SessionInfo

    from .files import AsyncSandboxFiles
    from .shared import SharedEngine

Listing = list[FileInfo]


class Sandbox:
    """A sandbox of this process: Python state and files that live until ``close()``.

    Sandboxes with the same settings share one engine, which the first of them starts and the last one closes.
    Threads may share a sandbox; its executions queue.

    Args:
        options: python, preimport, settings, tools, env_vars, timeout_s and the other limits by their names.

    Raises:
        IsolationUnavailable: if this machine lacks a layer of the wall.
    """

    def __init__(self, **options: Unpack[LocalOptions]) -> None:
        of_engine, of_session = split_options(options)
        with ExitStack() as stack:
            shared = stack.enter_context(shared_engine(make_settings(of_engine)))
            if tools := make_tools(of_session.pop("tools", None)):
                of_session["tools"] = stack.enter_context(shared.opened(tools))
            self._box = AsyncSandbox(engine=shared.engine, **of_session)
            shared.call(self._box.__aenter__)
            stack.callback(shared.call, self._box.close)
            self._stack = stack.pop_all()
        self._engine = shared
        self.files = SandboxFiles(self._box.files, self._engine)

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """The same sandbox, whose ``run()``, ``stream()`` and ``call()`` take these options unless told otherwise."""
        view = copy(self)
        view._box = self._box.with_options(**options)
        return view

    def run(
        self,
        code: str,
        *,
        on_stdout: TextListener | None = None,
        on_stderr: TextListener | None = None,
        on_result: ResultListener | None = None,
        client_tools: Functions = (),
        **options: Unpack[RunOptions],
    ) -> Execution:
        """Runs code; what it does wrong is in the execution's ``outcome`` and ``error``.

        Args:
            client_tools: functions of this program that the code may call, beside the sandbox's own tools.
        """
        if listeners := Listeners(on_stdout, on_stderr, on_result):
            return listeners.follow(self._engine.iterate(partial(self._box._events, code, client_tools, options)))
        return self._engine.call(partial(self._box.run, code, client_tools=client_tools, **options))

    def stream(self, code: str, **options: Unpack[RunOptions]) -> Generator[Event]:
        """The events of :meth:`run` as they happen; closing this early cancels the execution."""
        return self._engine.iterate(partial(self._box.stream, code, **options))

    def call(self, function: Function, /, *args: Any, **kwargs: Any) -> CallResult:
        """Calls a function, or its source; what it leaves in its variables is there in the next call of the same.

        Its options are those of :meth:`with_options`, since all that is named here is the function's.

        Raises:
            InvalidRequest: if the function has no source, or an argument no form in JSON.
        """
        return self._engine.call(partial(self._box.call, function, *args, **kwargs))

    def interrupt(self) -> bool:
        """Stops what another thread runs now, as Ctrl-C would, and keeps its state; False if nothing ran."""
        return self._engine.call(self._box.interrupt)

    def info(self) -> SessionInfo:
        """The sandbox's limits, and what really stands between it and this machine."""
        return self._engine.call(self._box.info)

    def update(self, **changes: Unpack[SessionChanges]) -> SessionInfo:
        """Changes metadata or time-outs."""
        return self._engine.call(partial(self._box.update, **changes))

    def close(self) -> None:
        """Ends the sandbox, with its state and files."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class SandboxFiles:
    """The workspace; its paths are relative, or absolute below ``/mnt/data`` or ``/home/user``."""

    def __init__(self, files: AsyncSandboxFiles, engine: SharedEngine) -> None:
        self._files = files
        self._engine = engine

    def write(self, path: str, content: Content) -> FileInfo:
        """Makes or replaces a file and its folders; a string is text, a ``Path`` a file of this machine."""
        return self._engine.call(partial(self._files.write, path, content))

    def upload(self, local: str | PathLike[str], path: str | None = None) -> FileInfo:
        """Copies a file of this machine into the workspace, by default under its own name."""
        return self._engine.call(partial(self._files.upload, local, path))

    def read(self, path: str) -> bytes:
        """All of a file."""
        return self._engine.call(partial(self._files.read, path))

    def download(self, path: str, to: str | PathLike[str] | None = None) -> Path:
        """Copies a file to this machine, by default into the working directory; returns where it is."""
        return self._engine.call(partial(self._files.download, path, to))

    def delete(self, path: str) -> None:
        """Removes a file, or a folder with all that is in it."""
        self._engine.call(partial(self._files.delete, path))

    def list(self, path: str = "", depth: int = 1) -> Listing:
        """What a folder holds, down to ``depth``; at most 1000 entries."""
        return self._engine.call(partial(self._files.list, path, depth))
