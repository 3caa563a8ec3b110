"""Sessions on a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from copy import copy
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack

import anyio

from insitu.errors import EngineClosed, SessionNotFound
from insitu.options import CallOptions, Listeners, ResultListener, RunOptions, SessionChanges, TextListener

from . import calls, lambdas, running
from .files import AsyncSessionFiles, SessionFiles
from .transport import AsyncTransport, Transport

if TYPE_CHECKING:
    from insitu.sources import Function
    from insitu.types import CallResult, Event, Execution, SessionInfo

    from .calls import Call
    from .tools import Functions

AnyTransport = TypeVar("AnyTransport", Transport, AsyncTransport)
_CLOSE_S = 5


class _Session(Generic[AnyTransport]):
    """What sessions have in common, in both colours."""

    def __init__(self, transport: AnyTransport, session_id: str, ends_with_block: bool) -> None:
        self.id = session_id
        self._transport: AnyTransport = transport
        self._ends_with_block = ends_with_block
        self._closed = False
        self._options: CallOptions = {}

    def with_options(self, **options: Unpack[CallOptions]) -> Self:
        """The same session, whose ``run()``, ``stream()`` and ``call()`` take these options unless told otherwise."""
        view = copy(self)
        view._options = {**self._options, **options}
        return view

    def _open(self) -> AnyTransport:
        if self._closed:
            raise EngineClosed(f"the session {self.id} is closed", hint="make a new one with client.session()")
        return self._transport

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} at {self._transport.url}>"


class ClientSession(_Session[Transport]):
    """A session on a server: Python state and files that live across executions."""

    def __init__(self, transport: Transport, session_id: str, *, ends_with_block: bool) -> None:
        super().__init__(transport, session_id, ends_with_block)
        self.files = SessionFiles(self.id, self._open)

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
            client_tools: functions of this program that the code may call.
        """
        call = partial(calls.run, self.id, code, {**self._options, **options})
        return running.run(self._open(), call, Listeners(on_stdout, on_stderr, on_result), client_tools)

    def stream(self, code: str, **options: Unpack[RunOptions]) -> Generator[Event]:
        """The events of :meth:`run` as they happen; closing this early cancels the execution."""
        return self._open().events(calls.run(self.id, code, {**self._options, **options}, stream=True))

    def call(self, function: Function, /, *args: Any, **kwargs: Any) -> CallResult:
        """Calls a function, or its source; what it leaves in its variables is there in the next call of the same.

        Its options are those of :meth:`with_options`, since all that is named here is the function's.
        """
        return self._open().send(lambdas.one(function, args, kwargs, self._options, self.id))

    def interrupt(self) -> bool:
        """Stops what runs now, as Ctrl-C would, and keeps its state; False if nothing ran."""
        return self._open().send(calls.interrupt(self.id))

    def info(self) -> SessionInfo:
        """The session as the server sees it."""
        return self._open().send(calls.session(self.id))

    def update(self, **changes: Unpack[SessionChanges]) -> SessionInfo:
        """Changes metadata or time-outs."""
        return self._open().send(calls.update_session(self.id, changes))

    def close(self) -> None:
        """Ends the session on the server, with its state and files."""
        if self._closed:
            return
        try:
            self._transport.send(calls.end_session(self.id))
        except SessionNotFound:
            pass
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._ends_with_block:
            self.close()


class AsyncClientSession(_Session[AsyncTransport]):
    """A session on a server: Python state and files that live across executions."""

    def __init__(self, transport: AsyncTransport, session_id: str, *, ends_with_block: bool) -> None:
        super().__init__(transport, session_id, ends_with_block)
        self.files = AsyncSessionFiles(self.id, self._open)

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
            client_tools: functions of this program that the code may call; they may be async.
        """
        call = partial(calls.run, self.id, code, {**self._options, **options})
        return await running.run_async(self._open(), call, Listeners(on_stdout, on_stderr, on_result), client_tools)

    def stream(self, code: str, **options: Unpack[RunOptions]) -> AsyncGenerator[Event]:
        """The events of :meth:`run` as they happen; closing this early cancels the execution."""
        return self._open().events(calls.run(self.id, code, {**self._options, **options}, stream=True))

    async def call(self, function: Function, /, *args: Any, **kwargs: Any) -> CallResult:
        """Calls a function, or its source; what it leaves in its variables is there in the next call of the same.

        Its options are those of :meth:`with_options`, since all that is named here is the function's.
        """
        return await self._open().send(lambdas.one(function, args, kwargs, self._options, self.id))

    async def interrupt(self) -> bool:
        """Stops what runs now, as Ctrl-C would, and keeps its state; False if nothing ran."""
        return await self._open().send(calls.interrupt(self.id))

    async def info(self) -> SessionInfo:
        """The session as the server sees it."""
        return await self._open().send(calls.session(self.id))

    async def update(self, **changes: Unpack[SessionChanges]) -> SessionInfo:
        """Changes metadata or time-outs."""
        return await self._open().send(calls.update_session(self.id, changes))

    async def close(self) -> None:
        """Ends the session on the server, with its state and files."""
        if self._closed:
            return
        try:
            await self._transport.send(calls.end_session(self.id))
        except SessionNotFound:
            pass
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._ends_with_block:
            # A task that is being cancelled must still end its session, but not wait long for it.
            with anyio.move_on_after(_CLOSE_S, shield=True):
                await self.close()


class Opening:
    """A session on its way: ``await`` it, or enter it with ``async with``."""

    def __init__(self, transport: AsyncTransport, call: Call[SessionInfo], *, ends_with_block: bool) -> None:
        self._transport = transport
        self._call = call
        self._ends_with_block = ends_with_block

    def __await__(self) -> Generator[Any, Any, AsyncClientSession]:
        return self._opened().__await__()

    async def __aenter__(self) -> AsyncClientSession:
        self._session = await self._opened()
        return self._session

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.__aexit__(exc_type, exc, traceback)

    async def _opened(self) -> AsyncClientSession:
        info = await self._transport.send(self._call)
        return AsyncClientSession(self._transport, info.id, ends_with_block=self._ends_with_block)
