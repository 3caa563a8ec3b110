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
        InvalidRequest: if there is no such tool, or two of the functions have the same name.
    """
    from insitu.tools import Registry, tool_of

    names = arguments.pop("tools", None)
    if names and tools is None:
        raise InvalidRequest("this sandbox has no tools", hint="give it functions: insitu.Sandbox(tools=[…])")
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(Registry()) if tools is None else tools
        grant = registry.grant(["*"] if names is None else names, [tool_of(function) for function in functions])
        start = engine.start(session, tools=grant.specs, **arguments)
        yield await stack.enter_async_context(registry.answering(start, grant, session.owner))
