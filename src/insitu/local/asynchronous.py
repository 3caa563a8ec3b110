"""A sandbox of this process, from an event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from copy import copy
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import anyio

from insitu.crossing import returned
from insitu.errors import EngineClosed
from insitu.guest.values import MIME
from insitu.options import CallOptions, Listeners, ResultListener, RunOptions, SessionChanges, TextListener
from insitu.types import CallResult

from .files import AsyncSandboxFiles
from .setup import (
    LocalOptions,
    call_arguments,
    make_engine,
    make_settings,
    run_arguments,
    session_arguments,
    split_options,
)
from .tools import Functions, make_tools, started

if TYPE_CHECKING:
    from insitu.engine import Engine, RunningExecution, Session
    from insitu.sources import Function
    from insitu.tools import Registry
    from insitu.types import Event, Execution, SessionInfo

_CLOSE_S = 10


class AsyncSandbox:
    """A sandbox of this process: Python state and files that live as long as its ``async with`` block.

    Args:
        engine: one that runs already, for several sandboxes to share, in place of python, preimport and settings:
            starting one takes as long as importing pandas and its like. By default each sandbox has its own.
        options: python, preimport, settings, tools, env_vars, timeout_s and the other limits by their names.
    """

    def __init__(self, *, engine: Engine | None = None, **options: Unpack[LocalOptions]) -> None:
        self.files = AsyncSandboxFiles(lambda: self._opened()[1].files)
        self._engine_options, self._session_options = split_options(options)
        self._given_tools = self._session_options.pop("tools", None)
        self._tools: Registry | None = None
        if engine and self._engine_options:
            raise TypeError(f"engine is given, which decides on {', '.join(self._engine_options)} already")
        self._engine = engine
        self._stack = AsyncExitStack()
        self._open: tuple[Engine, Session] | None = None
        self._options: CallOptions = {}

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """The same sandbox, whose ``run()``, ``stream()`` and ``call()`` take these options unless told otherwise."""
        view = copy(self)
        view._options = {**self._options, **options}
        return view

    async def run(
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
            return await listeners.follow_async(self._events(code, client_tools, options))
        async with self._started(run_arguments(code, {**self._options, **options}), client_tools) as execution:
            return await execution.result()

    async def stream(self, code: str, **options: Unpack[RunOptions]) -> AsyncGenerator[Event]:
        """The events of :meth:`run` as they happen; closing this early cancels the execution."""
        async with aclosing(self._events(code, (), options)) as events:
            async for event in events:
                yield event

    async def _events(self, code: str, client_tools: Functions, options: RunOptions) -> AsyncGenerator[Event]:
        async with self._started(run_arguments(code, {**self._options, **options}), client_tools) as execution:
            async for event in execution.events():
                if event.kind == "finished":
                    # Raises, if the execution could not be carried out.
                    await execution.result()
                yield event

    async def call(self, function: Function, /, *args: Any, **kwargs: Any) -> CallResult:
        """Calls a function, or its source; what it leaves in its variables is there in the next call of the same.

        Its options are those of :meth:`with_options`, since all that is named here is the function's.

        Raises:
            InvalidRequest: if the function has no source, or an argument no form in JSON.
        """
        async with self._started(call_arguments(function, args, kwargs, self._options)) as execution:
            return returned(CallResult.of(await execution.result(), MIME))

    async def interrupt(self) -> bool:
        """Stops what runs now, as Ctrl-C would, and keeps its state; False if nothing ran."""
        return await self._opened()[1].interrupt()

    async def info(self) -> SessionInfo:
        """The sandbox's limits, and what really stands between it and this machine."""
        return self._opened()[1].info()

    async def update(self, **changes: Unpack[SessionChanges]) -> SessionInfo:
        """Changes metadata or time-outs."""
        session = self._opened()[1]
        session.update(**changes)
        return session.info()

    async def close(self) -> None:
        """Ends the sandbox, with its state and files."""
        self._open = None
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            engine = self._engine
            if engine is None:
                engine = await stack.enter_async_context(make_engine(make_settings(self._engine_options)))
            self._tools = make_tools(self._given_tools)
            if self._tools is not None and self._tools is not self._given_tools:
                await stack.enter_async_context(self._tools)
            session = await engine.create_session(**session_arguments(engine.settings, **self._session_options))
            stack.push_async_callback(_end, engine, session)
            self._stack = stack.pop_all()
        self._open = engine, session
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = None
        await self._stack.__aexit__(exc_type, exc, traceback)

    def _started(
        self, arguments: dict[str, Any], functions: Functions = ()
    ) -> AbstractAsyncContextManager[RunningExecution]:
        engine, session = self._opened()
        if self._tools is None and not functions and "tools" not in arguments:
            return engine.start(session, **arguments)
        return started(engine, session, self._tools, arguments, functions)

    def _opened(self) -> tuple[Engine, Session]:
        if self._open is None:
            raise EngineClosed("this sandbox is not open", hint="it is open inside of its `with` block")
        return self._open


async def _end(engine: Engine, session: Session) -> None:
    # A task that is being cancelled must still end its sandbox, but not wait long for it.
    with anyio.move_on_after(_CLOSE_S, shield=True):
        await engine.end_session(session)
