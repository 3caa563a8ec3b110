"""Functions of this program that code on a server calls: calls come by the stream, and answers go beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from typing import TYPE_CHECKING, Any

import anyio

from insitu.crossing import body_of
from insitu.errors import InsituError, ServerUnreachable
from insitu.options import Listeners

from .calls import Call, answer_call, follow_execution, interrupt_execution
from .tools import AT_ONCE, ClientTools, Functions, failed
from .transport import AsyncTransport, Transport

if TYPE_CHECKING:
    from insitu.types import Event, Execution

_TRIES, _STOP_S = 5, 5


class _Answering:
    """Answers calls from threads; nobody waits for functions that hang, and what comes too late is dropped."""

    def __init__(self, tools: ClientTools, send: Callable[[str, dict[str, Any]], object]) -> None:
        self._tools, self._send = tools, send
        self._over = False
        self._waiting: set[threading.Event] = set()

    def answer(self, called: Mapping[str, Any]) -> None:
        """Call a function, and send what it returns."""
        ended = threading.Event()
        self._waiting.add(ended)
        body = None if self._over else self._body(called, ended)
        self._waiting.discard(ended)
        if body is None or self._over:
            return
        try:
            self._send(called["call_id"], body)
        except InsituError as error:
            with suppress(InsituError):  # it has ended, or nothing is to be had of the server
                self._send(called["call_id"], failed(error))

    def _body(self, called: Mapping[str, Any], ended: threading.Event) -> dict[str, Any]:
        try:
            call = self._tools.threads.start(lambda: body_of(self._tools.result(called)), ended.set)
            in_time = ended.wait(self._tools[called["name"]].timeout_s)
            return {"value": call.value()} if in_time and not self._over else self._tools.late(called)
        except Exception as error:
            return failed(error)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._over = True
        for ended in list(self._waiting):
            ended.set()


class _AsyncAnswering:
    """The same on an event loop; functions that are not async run in threads."""

    def __init__(self, tools: ClientTools, send: Callable[[str, dict[str, Any]], Awaitable[object]]) -> None:
        self._tools, self._send = tools, send
        self._places = anyio.Semaphore(AT_ONCE)

    async def answer(self, called: Mapping[str, Any]) -> None:
        """Call a function, and send what it returns."""
        body = self._tools.late(called)
        async with self._places:
            with anyio.move_on_after(self._tools[called["name"]].timeout_s):
                body = await self._body(called)
        try:
            await self._send(called["call_id"], body)
        except InsituError as error:
            with suppress(InsituError):
                await self._send(called["call_id"], failed(error))

    async def _body(self, called: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if self._tools[called["name"]].is_async:
                return {"value": body_of(await self._tools.result(called))}
            return {"value": await self._tools.threads.run(lambda: body_of(self._tools.result(called)))}
        except Exception as error:
            return failed(error)


def run(transport: Transport, call: Call[Execution], functions: Functions, listeners: Listeners) -> Execution:
    """Run code that calls these functions, each in a thread."""
    tools = ClientTools(functions)
    tools.refuse_async()
    execution: Execution | None = None
    follow = _Following(tools.declared(call))
    answering = _Answering(tools, lambda call_id, body: transport.send(answer_call(follow.id, call_id, body)))

    with ThreadPoolExecutor(AT_ONCE, "insitu-answer") as pool:
        try:
            while execution is None:
                try:
                    with closing(transport.events(follow.call)) as events:
                        for event in events:
                            follow.note(event)
                            if tools.called(event):
                                pool.submit(answering.answer, event.data)
                            listeners.tell(event)
                            execution = event.execution
                except ServerUnreachable as error:
                    time.sleep(follow.pause_s(error))
            return execution
        finally:
            answering.close()
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
    answering = _AsyncAnswering(tools, lambda call_id, body: transport.send(answer_call(follow.id, call_id, body)))

    async with anyio.create_task_group() as tasks:
        try:
            while execution is None:
                try:
                    async with aclosing(transport.events(follow.call)) as events:
                        async for event in events:
                            follow.note(event)
                            if tools.called(event):
                                tasks.start_soon(answering.answer, event.data)
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
