"""An MCP server by the official SDK; `python -m tests.tools.mcp_server [port]` speaks by stdio, or by HTTP."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ImageContent, TextContent
from pydantic import BaseModel, Field

server = MCPServer("things", log_level="ERROR")


class Sum(BaseModel):
    """A number, and how it came about."""

    value: int
    terms: list[int]


@server.tool()
def add(terms: list[int]) -> Sum:
    """Adds numbers."""
    return Sum(value=sum(terms), terms=terms)


@server.tool(name="say.it", structured_output=False)
def say(text: str) -> str:
    """Says it."""
    return f"it: {text}"


@server.tool(structured_output=False)
def picture() -> CallToolResult:
    """Shows a picture."""
    image = ImageContent(data="iVBORw==", mime_type="image/png")
    return CallToolResult(content=[TextContent(text="a picture"), image])


@server.tool()
def fail() -> str:
    """Fails."""
    raise ToolError("as it was told to")


@server.tool(structured_output=False)
def torn() -> CallToolResult:
    """Answers with bytes that are none."""
    return CallToolResult(content=[ImageContent(data="no base64!", mime_type="image/png")])


@server.tool()
def die() -> str:
    """Kills the server."""
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@server.tool()
def hang() -> str:
    """Never answers."""
    time.sleep(60)
    return "never"


@server.tool()
def hold(path: str) -> str:
    """Leaves a file, and never answers."""
    Path(path).touch()
    time.sleep(60)
    return "never"


@server.tool()
def large(size: int) -> str:
    """Returns so many letters."""
    return "x" * size


class Letters(BaseModel):
    """Text whose schema has a pattern that Python looks for longer than anybody waits."""

    text: str = Field(json_schema_extra={"pattern": "^(a+)+$"})


@server.tool()
def letters() -> Letters:
    """Returns what its schema does not allow."""
    return Letters(text="a" * 60 + "b")


@server.tool()
def environment() -> dict[str, Any]:
    """What the process was given."""
    return {name: value for name, value in os.environ.items() if name.startswith(("INSITU", "THINGS"))}


@server.tool()
def secret() -> str:
    """Fails, and tells more than it should."""
    raise ToolError(f"the key {os.environ.get('THINGS_KEY')} is wrong")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run("stdio")
