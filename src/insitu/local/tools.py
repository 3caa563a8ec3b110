"""Functions of this process that the code of its sandboxes may call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from insitu.errors import InvalidRequest

if TYPE_CHECKING:
    from insitu.engine import Engine, RunningExecution, Session
    from insitu.tools import Registry


def make_tools(tools: Sequence[Callable[..., Any]] | Registry | None) -> Registry | None:
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
    engine: Engine, session: Session, tools: Registry | None, arguments: dict[str, Any]
) -> AsyncIterator[RunningExecution]:
    """An execution whose calls are answered: of all the sandbox's tools, or of those that ``arguments`` name."""
    names = arguments.pop("tools", None)
    if tools is None:
        if names:
            raise InvalidRequest("this sandbox has no tools", hint="give it functions: insitu.Sandbox(tools=[…])")
        async with engine.start(session, **arguments) as running:
            yield running
        return
    granted = tools.grant(["*"] if names is None else names)
    async with engine.start(session, tools=[tool.spec() for tool in granted], **arguments) as running:
        tools.attend(running, granted, session.owner)
        yield running
