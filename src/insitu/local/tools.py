"""Functions of this process that the code of its sandboxes may call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from insitu.errors import InvalidRequest

if TYPE_CHECKING:
    from insitu.engine import Engine, RunningExecution, Session
    from insitu.tools import Registry

Functions = Sequence[Callable[..., Any]]


def make_tools(tools: Functions | Registry | None) -> Registry | None:
    """A registry of functions that is yet to be entered; one that is there stays as it is.

    Raises:
        InvalidRequest: if a function cannot be a tool.
    """
    if not tools:
        return None
    from insitu.tools import Registry, tool_of

    return tools if isinstance(tools, Registry) else Registry(tool_of(function) for function in tools)


@asynccontextmanager
async def started(
    engine: Engine, session: Session, tools: Registry | None, arguments: dict[str, Any], functions: Functions = ()
) -> AsyncIterator[RunningExecution]:
    """An execution whose calls are answered: of the sandbox's tools, all or those named, and of these functions.

    Raises:
        InvalidRequest: if there is no such tool, or two have the same name.
    """
    names = arguments.pop("tools", None)
    if names and tools is None:
        raise InvalidRequest("this sandbox has no tools", hint="give it functions: insitu.Sandbox(tools=[…])")
    async with AsyncExitStack() as stack:
        granted = tools.grant(["*"] if names is None else names) if tools else []
        own = make_tools(functions)
        asked = own.tools() if own else []
        if both := {tool.name for tool in granted} & {tool.name for tool in asked}:
            raise InvalidRequest(f"client_tools: there is a tool {min(both)!r} already")
        specs = [tool.spec() for tool in (*granted, *asked)]
        if own:
            await stack.enter_async_context(own)
        running = await stack.enter_async_context(engine.start(session, tools=specs, **arguments))
        if tools:
            tools.attend(running, granted, session.owner)
        if own:
            own.attend(running, asked, session.owner)
        yield running
