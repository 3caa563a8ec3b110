"""All tools of a server, and the answering of their calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from ..engine import RunningExecution
from ..errors import EngineClosed, InvalidRequest
from .base import Tool
from .serving import Desk, redacting, serve

ALL = "*"


class Registry:
    """The tools that there are; within its ``async with`` block their calls are answered.

    Args:
        tools: those that are there from the beginning.
        secrets: what no message of a failing tool may hold.

    Raises:
        InvalidRequest: if two have the same name.
    """

    def __init__(self, tools: Iterable[Tool] = (), secrets: Sequence[str] = ()) -> None:
        self._desks: dict[str, Desk] = {}
        self._redact = redacting(secrets)
        self._tasks: TaskGroup | None = None
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool) -> None:
        """Take in a tool.

        Raises:
            InvalidRequest: if there is one of this name.
        """
        if known := self._desks.get(tool.name):
            raise InvalidRequest(
                f"two tools are called {tool.name!r}: one of {known.tool.source}, one of {tool.source}",
                hint="give one of them another name, as in @insitu.tool(name=…)",
            )
        self._desks[tool.name] = Desk(tool, self._redact)

    def remove(self, name: str) -> None:
        """Let go of a tool; calls that are under way go on."""
        self._desks.pop(name, None)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._tasks.cancel_scope.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks = None
        await self._stack.aclose()

    def tools(self) -> list[Tool]:
        """All of them, by name."""
        return [self._desks[name].tool for name in sorted(self._desks)]

    def grant(self, names: Sequence[str]) -> list[Tool]:
        """The tools of these names; ``*`` is all of them.

        Raises:
            InvalidRequest: if there is no such tool.
        """
        if ALL in names:
            return self.tools()
        if missing := [name for name in names if name not in self._desks]:
            known = ", ".join(sorted(self._desks)) or "none"
            raise InvalidRequest(f"tools: there is no tool {missing[0]!r}; there are: {known[:2000]}")
        return [self._desks[name].tool for name in dict.fromkeys(names)]

    def attend(self, running: RunningExecution, granted: Sequence[Tool], owner: str) -> None:
        """Answer an execution's calls of these tools until it ends, whether or not somebody reads it.

        Calls of other tools, such as the client's own, are left to others.

        Args:
            granted: those whose ``spec()`` went to ``Engine.start``.
            owner: whose calls they are, for the rates.
        """
        desks = {tool.name: desk for tool in granted if (desk := self._desks.get(tool.name))}
        if not desks:
            return
        if self._tasks is None:
            raise EngineClosed("the registry of tools is not open", hint="use it within its `async with` block")
        self._tasks.start_soon(serve, running, desks, owner)
