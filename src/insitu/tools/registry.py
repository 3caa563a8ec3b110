"""All tools of a server, and the answering of their calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from types import MappingProxyType, TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from ..engine import RunningExecution, ToolFailure, ToolSpec
from ..errors import EngineClosed, InvalidRequest
from ..settings import Settings
from .base import Tool
from .config import McpServer, read_config
from .grant import Grant
from .python import tools_in
from .serving import BoundedTool, redacting, serve

ALL = "*"


class Registry:
    """The tools that there are; within its ``async with`` block MCP servers are connected, and calls answered.

    Args:
        tools: those that are there from the beginning.
        servers: MCP servers by their names.
        secrets: what no message of a failing tool may hold.

    Raises:
        InvalidRequest: if two tools have the same name, or, on entering, if a required server does not start.
    """

    def __init__(
        self,
        tools: Iterable[Tool] = (),
        servers: Mapping[str, McpServer] = MappingProxyType({}),
        secrets: Sequence[str] = (),
    ) -> None:
        self._bounded: dict[str, BoundedTool] = {}
        self._redact = redacting([*secrets, *(secret for server in servers.values() for secret in server.secrets())])
        self._servers = servers
        self._tasks: TaskGroup | None = None
        self._add(list(tools))

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            faults = await self._connect(tasks)
            if not faults:
                self._tasks, self._stack = tasks, stack.pop_all()
        if faults:
            raise InvalidRequest("; ".join(faults), hint="see mcp_config, and what the server itself has said")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks = None
        await self._stack.aclose()

    def provide(self, source: str, tools: Sequence[Tool]) -> None:
        """Say which tools a source has now; those that it had before and has no more are gone.

        Raises:
            InvalidRequest: if another source has a tool of the same name.
        """
        before = {name: bounded for name, bounded in self._bounded.items() if bounded.tool.source == source}
        for name in before:
            del self._bounded[name]
        try:
            self._add(tools)
        except InvalidRequest:
            self._bounded.update(before)
            raise
        for name, bounded in before.items():
            if name in self._bounded:  # what was counted of its calls still counts
                bounded.tool = self._bounded[name].tool
                self._bounded[name] = bounded

    def _add(self, tools: Sequence[Tool]) -> None:
        made: dict[str, BoundedTool] = {}
        for tool in tools:
            if known := self._bounded.get(tool.name) or made.get(tool.name):
                raise InvalidRequest(
                    f"two tools are called {tool.name!r}: one of {known.tool.source}, one of {tool.source}",
                    hint="give one of them another name, as in @insitu.tool(name=…)",
                )
            made[tool.name] = BoundedTool(tool, self._redact)
        self._bounded.update(made)

    async def _connect(self, tasks: TaskGroup) -> list[str]:
        """Connect all servers; returns what is wrong with those that are required."""
        if not self._servers:
            return []
        try:
            from .mcp import Connection
        except ImportError as error:
            return [f"MCP servers need the package {error.name}: pip install 'insitu[mcp]'"]
        faults: list[str] = []

        async def start(name: str, server: McpServer) -> None:
            fault = await tasks.start(Connection(name, server, self.provide, self._redact).keep)
            if fault and server.insitu.required:
                faults.append(f"the MCP server {name!r}: {fault}")

        async with anyio.create_task_group() as starting:
            for name, server in self._servers.items():
                starting.start_soon(start, name, server)
        return faults

    def tools(self) -> list[Tool]:
        """All of them, by name."""
        return [self._bounded[name].tool for name in sorted(self._bounded)]

    def there(self, names: Iterable[str]) -> list[str]:
        """Those of an operator's names that there are: one server of tools that is down must not make all else fail."""
        return [name for name in names if name == ALL or name in self._bounded]

    def grant(self, names: Sequence[str], own: Sequence[Tool | ToolSpec] = ()) -> Grant:
        """The tools of these names, ``*`` being all of them, and the caller's own; of two of one name the caller's.

        Raises:
            InvalidRequest: if there is no such tool, or two of the caller's own have the same name.
        """
        if ALL not in names and (missing := [name for name in names if name not in self._bounded]):
            raise self._missing(missing[0])
        tools = [self._bounded[name] for name in (sorted(self._bounded) if ALL in names else dict.fromkeys(names))]
        return Grant.of(
            tools, [each if isinstance(each, ToolSpec) else BoundedTool(each, self._redact) for each in own]
        )

    async def call(self, name: str, arguments: Mapping[str, Any], owner: str) -> Any:
        """What a tool answers to one call, in JSON's types, or a ``ToolFailure``.

        Raises:
            InvalidRequest: if there is no such tool.
        """
        bounded = self._bounded.get(name)
        if bounded is None:
            raise self._missing(name)
        made = bounded.tool.arguments(dict(arguments))
        return made if isinstance(made, ToolFailure) else await bounded.answer(made, owner)

    def _missing(self, name: str) -> InvalidRequest:
        known = ", ".join(sorted(self._bounded)) or "none"
        return InvalidRequest(f"tools: there is no tool {name!r}; there are: {known[:2000]}")

    @asynccontextmanager
    async def answering(
        self, start: AbstractAsyncContextManager[RunningExecution], grant: Grant, owner: str
    ) -> AsyncIterator[RunningExecution]:
        """An execution whose calls are answered."""
        async with start as running:
            self.attend(running, grant, owner)
            yield running

    def attend(self, running: RunningExecution, grant: Grant, owner: str) -> None:
        """Answer an execution's calls of these tools until it ends, whether or not somebody reads it.

        Calls of the client's own functions are left to the client.

        Args:
            grant: what went to ``Engine.start``.
            owner: whose calls they are.
        """
        if not grant.tools:
            return
        if self._tasks is None:
            raise EngineClosed("the registry of tools is not open", hint="use it within its `async with` block")
        self._tasks.start_soon(serve, running, grant.tools, owner)


def make_registry(settings: Settings) -> Registry:
    """The registry that the settings name, which is yet to be entered.

    Raises:
        InvalidRequest: if a module or the file of MCP servers is not what it must be.
    """
    servers = read_config(settings.mcp_config) if settings.mcp_config else {}
    secrets = [*settings.keys(), settings.upstream_api_key.get_secret_value()]
    return Registry(tools_in(settings.tools), servers, secrets)
