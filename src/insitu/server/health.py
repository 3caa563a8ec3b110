"""The routes for those who run the server: liveness, readiness, metrics."""

from __future__ import annotations

from functools import cache
from typing import Literal

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ..errors import ServerFull
from ..web import reference
from ..web.openapi import answers
from ..web.service import PlainRoute, Service
from ..web.wire import json_answer


class About(BaseModel):
    """What answers here, and where it is described."""

    name: Literal["insitu"]
    version: str
    docs: Literal["/docs"]


class Health(BaseModel):
    """How the server is."""

    status: Literal["ok", "ready"]


def routes(service: Service) -> APIRouter:
    """The routes for those who run the server."""
    router = APIRouter(route_class=PlainRoute, tags=["server"])

    @router.get("/", **answers(About))
    async def about(request: Request) -> Response:
        """What answers here, and where it is described."""
        return json_answer({"name": "insitu", "version": request.app.version, "docs": "/docs"})

    @router.get("/healthz", **answers(Health))
    async def health(request: Request) -> Response:
        """Whether the server lives."""
        return json_answer({"status": "ok"})

    @router.get("/readyz", **answers(Health))
    async def readiness(request: Request) -> Response:
        """Whether sandboxes are ready; not while the server starts or stops."""
        if not service.ready:
            raise ServerFull("the server is not ready: it starts, or it stops", hint="send work to another one")
        return json_answer({"status": "ready"})

    @router.get("/metrics", response_model=None, responses={200: {"content": {"text/plain": {}}}})
    async def metrics(request: Request) -> Response:
        """What the server counts, in Prometheus' text format."""
        text = service.metrics.text(service.engine.load, ready=service.ready)
        return Response(text, media_type="text/plain; version=0.0.4")

    @cache
    def described(app: FastAPI) -> bytes:
        return reference.page(app.openapi()).encode()

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        """All routes, for people."""
        return Response(described(request.app), media_type="text/html", headers=reference.HEADERS)

    router.add_api_route("/healthz", health, methods=["HEAD"], include_in_schema=False)
    router.add_api_route("/readyz", readiness, methods=["HEAD"], include_in_schema=False)
    return router
