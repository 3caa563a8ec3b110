"""A server, from an event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from copy import copy
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from insitu.options import AsyncContent, Listeners, ResultListener, TextListener

from . import batches, calls, lambdas, running
from .ask import AskListeners, AskOptions, ask_async
from .functions import AsyncClientFunctions
from .sessions import Opening
from .transport import AsyncTransport, Server

if TYPE_CHECKING:
    from insitu.sources import Function
    from insitu.types import AnswerEvent, BatchItem, CallResult, EnvironmentInfo, Event, Execution, SessionInfo

    from .batches import Batch, BatchItems, BatchOptions
    from .calls import FreshCallOptions, FreshRunOptions, SessionOptions
    from .lambdas import MapOptions
    from .made import AsyncClientAnswer
    from .tools import Functions


class AsyncClient:
    """An insitu server.

    Args:
        url: its address; by default ``INSITU_URL``, else ``http://127.0.0.1:8700``.
        api_key: by default ``INSITU_API_KEY``; a server on loopback without keys needs none.
        connect_timeout_s: longest wait for a connection, in seconds.
        read_timeout_s: longest silence of the server, in seconds; more than code may run and queue.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 900.0,
    ) -> None:
        self._transport = AsyncTransport(Server.named(url, api_key, connect_timeout_s, read_timeout_s))
        self.url = self._transport.url
        self.functions = AsyncClientFunctions(self._transport)
        self._options: FreshCallOptions = {}

    def with_options(self, **options: Unpack[FreshCallOptions]) -> Self:
        """The same client, whose code, functions and new sessions take these options unless told otherwise.

        Args:
            options: timeout_s and the other limits by their names, env_vars, environment, tier.
        """
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
        **options: Unpack[FreshRunOptions],
    ) -> Execution:
        """Runs code in a fresh sandbox, which is destroyed afterwards.

        Args:
            client_tools: functions of this program that the code may call; they may be async.
        """
        call = partial(calls.run_fresh, code, {**self._options, **options})
        return await running.run_async(self._transport, call, Listeners(on_stdout, on_stderr, on_result), client_tools)

    def stream(self, code: str, **options: Unpack[FreshRunOptions]) -> AsyncGenerator[Event]:
        """The events of :meth:`run` as they happen; closing this early cancels the execution."""
        return self._transport.events(calls.run_fresh(code, {**self._options, **options}, stream=True))

    async def call(self, function: Function, /, *args: Any, **kwargs: Any) -> CallResult:
        """Calls a function on the server, in a fresh sandbox.

        Args:
            function: a function of Python, of which its own source crosses; or source, such as ``"lambda x: x"``.
            args: its arguments, and ``kwargs`` likewise; the call's own options are those of :meth:`with_options`.

        Raises:
            InvalidRequest: if the function has no source, or an argument no form in JSON.
        """
        return await self._transport.send(lambdas.one(function, args, kwargs, self._options))

    async def map(
        self, function: Function, inputs: Iterable[Any], /, **options: Unpack[MapOptions]
    ) -> list[CallResult]:
        """Calls a function for many inputs side by side; each has its own outcome, and their order is kept.

        Raises:
            InvalidRequest: if the function has no source, or an argument no form in JSON.
        """
        return await self._transport.send(lambdas.many(function, inputs, {**self._options, **options}))

    def map_stream(
        self, function: Function, inputs: Iterable[Any], /, **options: Unpack[MapOptions]
    ) -> AsyncGenerator[CallResult]:
        """The calls of :meth:`map` as they end, each with its ``index``; closing this early cancels the others."""
        call = lambdas.many(function, inputs, {**self._options, **options}, stream=True)
        return self._transport.follow(call, lambdas.item, "the map's end")

    async def batch(self, items: Batch | Iterable[Mapping[str, Any]], /, **options: Unpack[BatchOptions]) -> BatchItems:
        """Makes many calls in one round trip; each has its own outcome, and their order is kept.

        Args:
            items: a batch; or each as ``POST /v1/batch`` takes it, such as ``{"execute": {"code": "1 + 1"}}``.
        """
        return await self._transport.send(batches.make(items, options))

    def batch_stream(
        self, items: Batch | Iterable[Mapping[str, Any]], /, **options: Unpack[BatchOptions]
    ) -> AsyncGenerator[BatchItem]:
        """The items of :meth:`batch` as they end; closing this early cancels the others."""
        return self._transport.follow(batches.make(items, options, stream=True), batches.streamed, "the batch's end")

    async def ask(
        self,
        question: str,
        *,
        files: Mapping[str, AsyncContent] | None = None,
        on_text: TextListener | None = None,
        on_code: TextListener | None = None,
        on_output: TextListener | None = None,
        **options: Unpack[AskOptions],
    ) -> AsyncClientAnswer:
        """Asks a model, which runs code on the server to answer; an answer that is incomplete says why.

        Args:
            files: name to content, for the code to read; a string is text, a ``Path`` a file of this machine.
            on_text: hears the answer while the model writes it.
            on_code: hears the code of its steps.
            on_output: hears what that prints and shows.

        Raises:
            AnswerFailed: if the turn broke off.
        """
        events = self.ask_stream(question, files=files, **options)
        return await AskListeners(on_text, on_code, on_output).follow_async(events)

    def ask_stream(
        self, question: str, *, files: Mapping[str, AsyncContent] | None = None, **options: Unpack[AskOptions]
    ) -> AsyncGenerator[AnswerEvent[AsyncClientAnswer]]:
        """The events of :meth:`ask` as they happen; closing this early cancels the turn."""
        return ask_async(self._transport, question, files, options)

    def session(self, **options: Unpack[SessionOptions]) -> Opening:
        """Makes a session; it ends with its ``async with`` block, with ``close()``, or at its time-outs."""
        return Opening(self._transport, calls.create_session({**self._options, **options}), ends_with_block=True)

    def connect(self, session_id: str) -> Opening:
        """A session that lives already; it outlives its block here, and ends with ``close()``."""
        return Opening(self._transport, calls.session(session_id), ends_with_block=False)

    async def sessions(self) -> list[SessionInfo]:
        """All living sessions of this key."""
        return await self._transport.send(calls.sessions())

    async def tools(self) -> list[dict[str, Any]]:
        """The server's tools that code can be granted: name, description, parameters, source."""
        return await self._transport.send(calls.tools())

    async def environments(self) -> list[EnvironmentInfo]:
        """The environments that sessions can have."""
        return await self._transport.send(calls.environments())

    async def health(self) -> dict[str, Any]:
        """What the server says of itself."""
        return await self._transport.send(calls.health())

    async def close(self) -> None:
        """Drops the connections; sessions that were not closed live on until their time-outs."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
