"""The tools of MCP servers, by the official client."""

from __future__ import annotations

import binascii
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import mcp.types as types
from anyio.abc import TaskStatus
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import ValidationError

from ..errors import InsituError, InvalidRequest
from ..guest.stubs import type_of
from ..heavy import decoded, heavy
from .base import Tool
from .config import McpServer
from .places import Place
from .results import encoded
from .serving import Redact
from .watching import Watched

_log = logging.getLogger("insitu.tools")

START_S = 30.0
_LEAST_WAIT_S, _MOST_WAIT_S, _STEADY_S = 0.5, 30.0, 60.0
_MOST_PAGES = 100
_LONGEST_NAME = 128
_SESSION_ENDED = "Session terminated"

# Told which tools a source has now.
Provide = Callable[[str, Sequence[Tool]], None]


class ToolError(Exception):
    """Raised when a tool says that it failed, or answers with garbage."""


class McpTool(Tool):
    """A tool of an MCP server."""

    def __init__(self, connection: Connection, listed: types.Tool) -> None:
        name = re.sub(r"[^A-Za-z0-9_]", "_", f"{connection.name}_{listed.name}")
        if len(name) > _LONGEST_NAME:
            raise InvalidRequest(f"its name has more than {_LONGEST_NAME} characters, with that of its server")
        about = listed.description or listed.title or ""
        returns = type_of(listed.output_schema) if listed.output_schema else ""
        bounds = connection.server.insitu.bounds()
        super().__init__(name, about, listed.input_schema, connection.source, bounds, returns)
        self._connection = connection
        self._listed = listed.name

    async def call(self, arguments: Mapping[str, Any], place: Place) -> Any:
        """What the server's tool answers, in JSON's types."""
        result = await self._connection.call(self._listed, arguments)
        try:
            size = sum(map(_size, result.content))
            return await heavy(size, lambda: encoded(_value(result), self.bounds.max_bytes))
        except binascii.Error:
            raise ToolError(f"the MCP server {self._connection.name!r} answered with bytes that are none") from None


class Connection:
    """A connection to one server, made anew whenever it ends.

    Args:
        provide: hears of the server's tools.
        redact: takes out of a message what is nobody's business.
    """

    def __init__(self, name: str, server: McpServer, provide: Provide, redact: Redact) -> None:
        self.name = name
        self.server = server
        self.source = f"mcp:{name}"
        self._provide = provide
        self._redact = redact
        self._client: Client | None = None
        self._lost = anyio.Event()

    async def keep(self, *, task_status: TaskStatus[str]) -> None:
        """Hold the connection; has started with "" once the tools are known, or with what is in the way."""
        wait_s, begins = _LEAST_WAIT_S, True

        def start(fault: str = "") -> None:
            nonlocal begins
            if begins:
                begins = False
                task_status.started(fault)

        while True:
            begun = anyio.current_time()
            fault = self._redact(await self._hold(start))
            if begins and self.server.insitu.required:
                return start(fault)
            start(fault)
            wait_s = _LEAST_WAIT_S if anyio.current_time() - begun > _STEADY_S else wait_s
            _log.warning("the MCP server %r: %s; it is tried again in %g s", self.name, fault, wait_s)
            await anyio.sleep(wait_s)
            wait_s = min(wait_s * 2, _MOST_WAIT_S)

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> types.CallToolResult:
        """Call one of the server's tools.

        Raises:
            ConnectionError: if the server is not there, or dies meanwhile.
            ToolError: if the tool fails, or the answer is none.
        """
        client = self._client
        if client is None or self._lost.is_set():
            raise ConnectionError(f"the MCP server {self.name!r} is not there; it is being started again")
        try:
            result = await client.session.send_request(_call(tool, arguments), types.CallToolResult)
        except MCPError as error:
            if self._lost.is_set() or error.code == types.CONNECTION_CLOSED or error.message == _SESSION_ENDED:
                self._lost.set()
                raise ConnectionError(f"the MCP server {self.name!r} died while it ran {tool}") from error
            raise ToolError(error.message) from error
        except ValidationError:
            raise ToolError(f"the MCP server {self.name!r} answered with what is no result of a tool") from None
        if result.is_error:
            raise ToolError(_text(result.content) or "the tool failed, and does not say why")
        return result

    async def _hold(self, start: Callable[[], None]) -> str:
        """Connect, and stay connected; returns why that has ended."""
        self._lost = lost = anyio.Event()
        with anyio.CancelScope(deadline=anyio.current_time() + START_S) as starting:
            try:
                async with Client(Watched(self._transport, lost)) as client:
                    self._offer(await _listed(client))
                    self._client = client
                    starting.deadline = float("inf")
                    start()
                    await lost.wait()
            except InsituError as error:
                return error.message
            except Exception as error:
                return f"the connection failed: {_root(error)}"
            finally:
                self._client = None
        return f"it did not start within {START_S:g} s" if starting.cancelled_caught else "the connection ended"

    def _offer(self, listed: Sequence[types.Tool]) -> None:
        wanted = self.server.insitu.tools
        tools = []
        for each in listed:
            if wanted is not None and each.name not in wanted:
                continue
            try:
                tools.append(McpTool(self, each))
            except InsituError as error:
                _log.warning("the tool %.100r of the MCP server %r is left out: %s", each.name, self.name, error)
        self._provide(self.source, tools)

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[Any]:
        server = self.server
        if server.command is not None:
            parameters = StdioServerParameters(
                command=server.command, args=list(server.args), env=server.env, cwd=server.cwd
            )
            async with stdio_client(parameters) as streams:
                yield streams
        else:
            timeout = httpx2.Timeout(30.0, read=server.insitu.timeout_s + 30.0)
            async with httpx2.AsyncClient(headers=server.headers, timeout=timeout) as http:
                async with streamable_http_client(server.url or "", http_client=http) as streams:
                    yield streams


async def _listed(client: Client) -> list[types.Tool]:
    tools: list[types.Tool] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


def _call(tool: str, arguments: Mapping[str, Any]) -> types.CallToolRequest:
    """A call as it is sent.

    The client's own ``call_tool`` checks what comes back by the server's schema, here on the event loop: by patterns
    that may backtrack for ever.
    """
    return types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=dict(arguments)))


def _value(result: types.CallToolResult) -> Any:
    """What code gets: the structured content if there is any, else the one part, else all of them."""
    if result.structured_content is not None:
        return result.structured_content
    parts = [_part(block) for block in result.content]
    if all(isinstance(part, str) for part in parts):
        return "\n".join(parts)
    return parts[0] if len(parts) == 1 else parts


def _part(block: types.ContentBlock) -> Any:
    if isinstance(block, types.TextContent):
        return block.text
    if isinstance(block, types.ImageContent | types.AudioContent):
        return decoded(block.data)
    if isinstance(block, types.EmbeddedResource):
        held = block.resource
        return held.text if isinstance(held, types.TextResourceContents) else decoded(held.blob)
    return {"uri": str(block.uri), "name": block.name}


def _size(block: types.ContentBlock) -> int:
    """About how long a part is."""
    if isinstance(block, types.ImageContent | types.AudioContent):
        return len(block.data)
    if isinstance(block, types.EmbeddedResource) and isinstance(block.resource, types.BlobResourceContents):
        return len(block.resource.blob)
    return len(block.text) if isinstance(block, types.TextContent) else 0


def _text(content: Sequence[types.ContentBlock]) -> str:
    return "\n".join(block.text for block in content if isinstance(block, types.TextContent))


def _root(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
