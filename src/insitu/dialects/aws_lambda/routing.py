"""Routes of AWS Lambda's, which its own description describes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.responses import Response

from ...web.service import PlainRoute

ROOT = "/2015-03-31/functions"

# Takes the request, and what its path names.
Endpoint = Callable[..., Awaitable[Response]]


def router_of(*routes: tuple[str, str, Endpoint]) -> APIRouter:
    """A router of methods, paths below the root, and what answers them."""
    router = APIRouter(route_class=PlainRoute, prefix=ROOT, include_in_schema=False)
    for method, path, endpoint in routes:
        router.add_api_route(path, endpoint, methods=[method])
    return router
