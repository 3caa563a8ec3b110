"""Functions of this program that code on a server calls: calls come by the stream, and answers go beside it."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from insitu.crossing import body_of
from insitu.errors import InsituError, InvalidRequest, ServerUnreachable
from insitu.options import Listeners

from .calls import Call, answer_call, follow_execution, interrupt_execution
from .transport import AsyncTransport, Transport

if TYPE_CHECKING:
    from insitu.signatures import Signature
    from insitu.types import Event, Execution

Functions = Sequence[Callable[..., Any]]
_AT_ONCE, _TRIES, _STOP_S = 32, 5, 5


class ClientTools:
    """The functions, as code sees them, and the answers to its calls.

    Raises:
        InvalidRequest: if a function cannot be a tool.
    """

    def __init__(self, functions: Functions) -> None:
        from insitu.signatures import Signature

        self._functions: dict[str, tuple[Callable[..., Any], Signature]] = {}
        for function in functions:
            signature = Signature(function)
            if signature.name in self._functions:
                raise InvalidRequest(f"client_tools: two functions are called {signature.name!r}")
            self._functions[signature.name] = function, signature

    def declared(self, call: Call[Execution]) -> Call[Execution]:
        """A call that runs code, with the functions for it."""
        declared = [
            {"name": name, "description": signature.description, "parameters": signature.parameters}
            for name, (_, signature) in self._functions.items()
        ]
        return replace(call, body={**(call.body or {}), "client_tools": declared})

    def result(self, called: Mapping[str, Any]) -> Any:
        """What the function returns; of an async one, what is to be awaited."""
        function, signature = self._functions[called["name"]]
        args, kwargs = signature.bind(called["arguments"])
        return function(*args, **kwargs)

    def called(self, event: Event) -> bool:
        """Whether an event is a call of one of them."""
        return event.kind == "tool_call" and event.data["name"] in self._functions

    def is_async(self, called: Mapping[str, Any]) -> bool:
        """Whether a call is of an async function."""
        return inspect.iscoroutinefunction(self._functions[called["name"]][0])

    def refuse_async(self) -> None:
        """Raise InvalidRequest if there is a function that needs an event loop."""
        for name, (function, _) in self._functions.items():
            if inspect.iscoroutinefunction(function):
                raise InvalidRequest(f"client_tools: {name!r} is async", hint="use insitu.AsyncClient")


def run(transport: Transport, call: Call[Execution], functions: Functions, listeners: Listeners) -> Execution:
    """Run code that calls these functions, each in a thread."""
    tools = ClientTools(functions)
    tools.refuse_async()
    execution: Execution | None = None
    follow = _Following(tools.declared(call))

    def answer(called: Mapping[str, Any]) -> None:
        try:
            body = {"value": body_of(tools.result(called))}
        except Exception as error:
            body = failed(error)
        try:
            transport.send(answer_call(follow.id, called["call_id"], body))
        except InsituError as error:
            with suppress(InsituError):  # it has ended, or nothing is to be had of the server
                transport.send(answer_call(follow.id, called["call_id"], failed(error)))

    with ThreadPoolExecutor(_AT_ONCE, "insitu-tool") as pool:
        try:
            while execution is None:
                try:
                    with closing(transport.events(follow.call)) as events:
                        for event in events:
                            follow.note(event)
                            if tools.called(event):
                                pool.submit(answer, event.data)
                            listeners.tell(event)
                            execution = event.execution
                except ServerUnreachable as error:
                    time.sleep(follow.pause_s(error))
            return execution
        finally:
            if execution is None and follow.id:  # or it would go on without us
                with suppress(InsituError):
                    transport.send(interrupt_execution(follow.id))


async def run_async(
    transport: AsyncTransport, call: Call[Execution], functions: Functions, listeners: Listeners
) -> Execution:
    """The same from an event loop; functions that are not async run in threads."""
    tools = ClientTools(functions)
    execution: Execution | None = None
    failure: Exception | None = None
    follow = _Following(tools.declared(call))

    async def answer(called: Mapping[str, Any]) -> None:
        try:
            made = tools.result(called) if tools.is_async(called) else to_thread.run_sync(tools.result, called)
            body = {"value": body_of(await made)}
        except Exception as error:
            body = failed(error)
        try:
            await transport.send(answer_call(follow.id, called["call_id"], body))
        except InsituError as error:
            with suppress(InsituError):
                await transport.send(answer_call(follow.id, called["call_id"], failed(error)))

    async with anyio.create_task_group() as tasks:
        try:
            while execution is None:
                try:
                    async with aclosing(transport.events(follow.call)) as events:
                        async for event in events:
                            follow.note(event)
                            if tools.called(event):
                                tasks.start_soon(answer, event.data)
                            await listeners.tell_async(event)
                            execution = event.execution
                except ServerUnreachable as error:
                    await anyio.sleep(follow.pause_s(error))
        except Exception as error:
            failure = error  # raised outside of the task group, which would wrap it
        finally:
            tasks.cancel_scope.cancel()
            if execution is None and follow.id:
                with anyio.move_on_after(_STOP_S, shield=True), suppress(InsituError):
                    await transport.send(interrupt_execution(follow.id))
    if execution is None:
        raise failure or AssertionError("cancelled")
    return execution


class _Following:
    """How far the events of an execution have come, and how to get the others when the connection breaks."""

    def __init__(self, call: Call[Execution]) -> None:
        self.call = call
        self.id = ""
        self._tries = 0

    def note(self, event: Event) -> None:
        """Take note of an event."""
        self._tries = 0
        self.id = self.id or str(event.data["id"])
        self.call = follow_execution(self.id, event.seq)

    def pause_s(self, error: ServerUnreachable) -> float:
        """Seconds until the next try; raises the error if there is to be none."""
        self._tries += 1
        if not self.id or self._tries > _TRIES:
            raise error
        return float(self._tries)


def failed(error: Exception) -> dict[str, Any]:
    """The answer to a call that has failed."""
    if isinstance(error, InsituError):  # nothing that code knows: an argument or a result that cannot cross
        return {"error": {"name": "ValueError", "message": error.message[:16_384]}}
    return {"error": {"name": type(error).__name__[:128], "message": str(error)[:16_384]}}
