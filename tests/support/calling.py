"""Code that calls tools, and a test that answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from textwrap import dedent
from typing import Any

from insitu.engine import Engine, RunningExecution, Session, ToolSpec
from insitu.types import Event, Execution

# Plain ones, and one whose answer comes from the client, so that the clock stands still.
ECHO, FIND, ASK = ToolSpec("echo"), ToolSpec("find"), ToolSpec("ask", pauses=True)
TOOLS = (ECHO, FIND, ASK)

Answer = Callable[[str, dict[str, Any]], Any]


def echo(name: str, arguments: dict[str, Any]) -> Any:
    """Answers what it was asked."""
    return arguments.get("x")


class Caller:
    """An execution, and the calls that it makes."""

    def __init__(self, running: RunningExecution, events: AsyncIterator[Event]) -> None:
        self.running = running
        self._events = events

    async def call(self) -> tuple[str, Any]:
        """The next call: its id, and the argument ``x``."""
        async for event in self._events:
            if event.kind == "tool_call":
                return event.data["call_id"], event.data["arguments"].get("x")
        raise AssertionError("there is no further call")

    async def calls(self, count: int) -> dict[Any, str]:
        """So many calls: their ids by the argument ``x``."""
        found = [await self.call() for _ in range(count)]
        return {x: call_id for call_id, x in found}

    async def output(self, text: str) -> None:
        """Return once the code has written this, before a call or after it."""
        written = ""
        async for event in self.running.events():
            written += event.text if event.kind == "stdout" else ""
            if text in written:
                return
        raise AssertionError(f"it has never written {text!r}")

    async def display(self) -> None:
        """Return once the code has displayed something; all calls that it has made before are known then."""
        async for event in self._events:
            if event.kind == "result":
                return
        raise AssertionError("it has never displayed anything")

    async def answer(self, call_id: str, value: Any = None) -> None:
        """Answer a call."""
        await self.running.answer(call_id, value)

    async def result(self) -> Execution:
        """How it ended."""
        return await self.running.result()


@asynccontextmanager
async def calling(
    engine: Engine, session: Session | None, code: str, tools: Sequence[ToolSpec] = TOOLS, **options: Any
) -> AsyncIterator[Caller]:
    """Code that may call tools, while it runs."""
    async with engine.start(session, dedent(code), tools=tools, **options) as running:
        yield Caller(running, running.events())


async def perform(
    engine: Engine,
    session: Session | None,
    code: str,
    answer: Answer = echo,
    tools: Sequence[ToolSpec] = TOOLS,
    **options: Any,
) -> Execution:
    """Run code to its end, and answer its calls as they come."""
    async with engine.start(session, dedent(code), tools=tools, **options) as running:
        async for event in running.events():
            if event.kind == "tool_call":
                await running.answer(event.data["call_id"], answer(event.data["name"], event.data["arguments"]))
        return await running.result()
