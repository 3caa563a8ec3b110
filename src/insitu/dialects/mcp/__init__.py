"""The Model Context Protocol: tools and resources of sandboxes for any MCP client, over HTTP or over pipes."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.routing import Route

from ...web.dialect import Dialect
from ...web.service import Service
from .endpoint import Endpoint, mcp_error

PATH = "/mcp"
_METHODS = ["POST", "DELETE"]


def _routes(service: Service) -> APIRouter:
    endpoint = Endpoint(service)
    # Many a configuration has the slash.
    paths = (PATH, f"{PATH}/")
    return APIRouter(routes=[Route(path, endpoint, methods=_METHODS, include_in_schema=False) for path in paths])


MCP = Dialect(
    "mcp",
    _routes,
    paths=(PATH,),
    error_answer=mcp_error,
    clients="MCP's clients",
    base=PATH,
    key_hint="send `Authorization: Bearer KEY`",
)
