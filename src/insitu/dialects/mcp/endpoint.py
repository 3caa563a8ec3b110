"""MCP over HTTP: one manager of connections for each owner, so that none reaches another's."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskStatus
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ...web.errors import ExtraMissing, described, error_body
from ...web.service import Service
from ...web.wire import INLINE_BYTES, read_bytes
from .leaving import ending_with
from .sandboxes import Sandboxes

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

_log = logging.getLogger("insitu.dialects.mcp")

# Connections of one owner that clients of the older protocol keep open; newer ones keep none.
_MOST_CONNECTIONS = 100
_IDLE_S = 120.0
_INVALID_REQUEST, _INTERNAL_ERROR = -32600, -32603


class Endpoint:
    """The one URL of MCP, as an ASGI application."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._managers: dict[str, StreamableHTTPSessionManager] = {}
        self._starting = anyio.Lock()
        self._cap = min(service.settings.upload_bytes, service.settings.code_bytes + INLINE_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._service.check_taking()
        request = Request(scope, receive)
        content = await read_bytes(request, self._cap)
        manager = await self._manager(scope["insitu.owner"])

        async def answer() -> None:
            try:
                with ending_with(scope):
                    await manager.handle_request(scope, _replay(content, receive), send)
            except ExceptionGroup as exc:
                raise _first(exc) from None

        # Whoever leaves is noticed by the manager.
        await self._service.while_connected(_nothing, answer)

    async def _manager(self, owner: str) -> StreamableHTTPSessionManager:
        async with self._starting:
            if owner not in self._managers:
                self._managers[owner] = await self._service.tasks.start(self._run, owner)
            return self._managers[owner]

    async def _run(self, owner: str, *, task_status: TaskStatus[StreamableHTTPSessionManager]) -> None:
        manager = await self._make(owner)
        try:
            async with manager.run():
                task_status.started(manager)
                await anyio.sleep_forever()
        except Exception:
            # One owner's must not end all others'; the next request makes a new one.
            _log.exception("the connections of an MCP client's owner were lost")
        finally:
            self._managers.pop(owner, None)

    async def _make(self, owner: str) -> StreamableHTTPSessionManager:
        # Importing it takes longer than the rest of the server's start.
        try:
            module = await anyio.to_thread.run_sync(import_module, f"{__package__}.server")
        except ModuleNotFoundError as exc:
            raise ExtraMissing("MCP", "mcp") from exc
        sandboxes = Sandboxes(self._service.engine, self._service.settings, self._service.tools, owner)
        made: StreamableHTTPSessionManager = module.make_manager(
            sandboxes, max_bytes=self._cap, max_sessions=_MOST_CONNECTIONS, idle_s=_IDLE_S
        )
        return made


def _first(exc: Exception) -> Exception:
    """What went wrong, out of the groups of tasks that it went through."""
    while isinstance(exc, ExceptionGroup):
        exc = exc.exceptions[0]
    return exc


def _replay(content: bytes, receive: Receive) -> Receive:
    """What has been read already, and then what comes next: that the client has left."""
    messages: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def replayed() -> Message:
        return messages.pop() if messages else await receive()

    return replayed


async def _nothing() -> Message:
    await anyio.sleep_forever()
    raise AssertionError


def mcp_error(exc: Exception, request_id: str) -> Response:
    """An error as MCP's clients read it: JSON-RPC's, without the id of a request."""
    told = described(exc, request_id)
    code = _INVALID_REQUEST if told.status < 500 else _INTERNAL_ERROR
    error = {"code": code, "message": told.text, "data": error_body(told)}
    return told.answer({"jsonrpc": "2.0", "id": None, "error": error})
