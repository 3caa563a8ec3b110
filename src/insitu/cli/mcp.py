"""`insitu mcp`: sandboxes of this process for an MCP client that starts it."""

from __future__ import annotations

from importlib.util import find_spec

from insitu.isolation.platforms import require_linux

from .configuration import read_settings
from .errors import WrongUsage

EXAMPLES = (
    "insitu mcp",
    "INSITU_MEMORY_BYTES=2g insitu mcp",
    "",
    """Most clients take it as: {"mcpServers": {"insitu": {"command": "insitu", "args": ["mcp"]}}}""",
)


def mcp() -> None:
    """Serve MCP over stdin and stdout.

    This is for clients that start the command themselves. The sandboxes are this process's own, and end with it.
    Settings come from the environment, as those of `insitu serve`, which has the same tools for many clients at /mcp.
    """
    require_linux("a sandbox")
    if find_spec("mcp") is None:
        raise WrongUsage("`insitu mcp` needs the package mcp, which is not installed", hint="pip install 'insitu[mcp]'")
    import anyio

    from insitu.dialects.mcp.server import serve_stdio

    anyio.run(serve_stdio, read_settings({}), backend_options={"use_uvloop": find_spec("uvloop") is not None})
