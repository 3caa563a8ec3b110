"""The server of MCP's own SDK, over the sandboxes of one owner."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import mcp_types as types
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from ...engine import Engine
from ...errors import InsituError, InvalidRequest, NotFound, PathRefused, foreseen
from ...settings import Settings
from ...tools import make_registry
from ...web.errors import described
from ...web.service import request_id_of
from . import answers, resources
from .held import held
from .leaving import while_there
from .running import Progress
from .sandboxes import Sandboxes
from .tools import TOOLS

Context = ServerRequestContext[Any]

# Characters of one that is told again.
_MOST_URI = 2000

_INSTRUCTIONS = (
    "Runs Python in a sandbox on the server. Call create_session once and give its session_id to the other tools, so "
    "that variables and files stay from call to call; execute_python without one uses a fresh sandbox each time."
)


class Handlers:
    """What the requests of MCP's clients are answered with."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._tools = {tool.name: tool for tool in TOOLS}

    async def list_tools(self, context: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        """The tools, which are always the same."""
        return types.ListToolsResult(tools=[tool.described(self._sandboxes) for tool in self._tools.values()])

    async def call_tool(self, context: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        """Call a tool; what could not be done is an answer with ``is_error``, which a model can read."""
        tool, arguments = self._tools.get(params.name), params.arguments or {}
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {params.name[:64]!r}")
        try:
            with held(context.request, arguments), while_there(context.request):
                return await tool.call(self._sandboxes, arguments, _progress(context))
        except Exception as exc:
            return answers.of_error(*_failure(exc, context))

    async def list_resources(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """The files of the owner's sessions."""
        try:
            return await resources.page(self._sandboxes, params.cursor if params else None)
        except Exception as exc:
            code = types.INVALID_PARAMS if isinstance(exc, InvalidRequest) else types.INTERNAL_ERROR
            raise MCPError(code, described(*_failure(exc, context)).text) from None

    async def list_templates(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """How the URI of a file is made."""
        template = types.ResourceTemplate(
            uri_template=resources.TEMPLATE, name="file", description="a file of a session"
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """The content of a file."""
        try:
            return types.ReadResourceResult(contents=[await resources.read(self._sandboxes, params.uri)])
        except Exception as exc:
            code = types.INVALID_PARAMS if isinstance(exc, NotFound | PathRefused) else types.INTERNAL_ERROR
            told = described(*_failure(exc, context))
            raise MCPError(code, told.text, {"uri": params.uri[:_MOST_URI]}) from None


def _failure(exc: Exception, context: Context) -> tuple[InsituError, str]:
    """The error to tell, and the id of the request: a client at a pipe has given it one itself."""
    request_id = request_id_of(context.request) if context.request else f"request {context.request_id}"
    return foreseen(exc, request_id), request_id


def _progress(context: Context) -> Progress | None:
    token = (context.meta or {}).get("progress_token")
    return context.session.report_progress if token is not None else None


def make_server(sandboxes: Sandboxes) -> Server[Any]:
    """A server for one owner."""
    handlers = Handlers(sandboxes)
    return Server(
        "insitu",
        version=version("insitu"),
        title="insitu",
        instructions=_INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
    )


def make_manager(
    sandboxes: Sandboxes, *, max_bytes: int, max_sessions: int, idle_s: float
) -> StreamableHTTPSessionManager:
    """What answers the HTTP requests of one owner.

    Args:
        max_bytes: of a request's body.
        max_sessions: connections that clients of the older protocol keep open at once.
        idle_s: seconds without a request after which one of these ends.
    """
    return StreamableHTTPSessionManager(
        make_server(sandboxes),
        session_idle_timeout=idle_s,
        max_request_body_size=max_bytes,
        max_sessions=max_sessions,
    )


async def serve_stdio(settings: Settings) -> None:
    """Answer the client at stdin and stdout until it leaves, with sandboxes of this process."""
    # What the engine starts finds the streams taken: nothing of it gets into the protocol.
    async with stdio_server() as (incoming, outgoing), Engine(settings) as engine:
        async with make_registry(settings) as registry:
            server = make_server(Sandboxes(engine, settings, registry))
            await server.run(incoming, outgoing, server.create_initialization_options())
