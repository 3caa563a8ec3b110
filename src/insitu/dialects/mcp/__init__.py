"""The Model Context Protocol: tools and resources of sandboxes for any MCP client, over HTTP or over pipes."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.routing import Route

from ...web.dialect import Dialect
from ...web.service import Service
from .endpoint import Endpoint, mcp_error

PATH = "/mcp"


def _routes(service: Service) -> APIRouter:
    return APIRouter(routes=[Route(PATH, Endpoint(service), methods=["POST", "DELETE"], include_in_schema=False)])


MCP = Dialect("mcp", _routes, paths=(PATH,), error_answer=mcp_error)
