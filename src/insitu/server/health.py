"""The routes for those who run the server: liveness, readiness, metrics."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..errors import ServerFull
from .models import Health
from .openapi import answers
from .service import Service
from .wire import json_answer


def routes(service: Service) -> APIRouter:
    """The routes for those who run the server."""
    router = APIRouter(tags=["server"])

    @router.get("/healthz", **answers(Health))
    async def health(request: Request) -> Response:
        """Whether the server lives."""
        return json_answer({"status": "ok"})

    @router.get("/readyz", **answers(Health))
    async def readiness(request: Request) -> Response:
        """Whether sandboxes are ready; not while the server starts or stops."""
        if service.draining:
            raise ServerFull("the server is stopping", hint="send work to another server", retry_after_s=10)
        if not service.engine.ready:
            raise ServerFull("the sandboxes are not ready yet")
        return json_answer({"status": "ready"})

    @router.get("/metrics", response_model=None, responses={200: {"content": {"text/plain": {}}}})
    async def metrics(request: Request) -> Response:
        """What the server counts, in Prometheus' text format."""
        sessions = [
            session for owner in service.keys.owners for session in service.engine.sessions(owner=owner)
        ]
        busy = sum(session.info().state == "busy" for session in sessions)
        ready = service.engine.ready and not service.draining
        text = service.metrics.text(idle=len(sessions) - busy, busy=busy, ready=ready)
        return Response(text, media_type="text/plain; version=0.0.4")

    router.add_api_route("/healthz", health, methods=["HEAD"], include_in_schema=False)
    router.add_api_route("/readyz", readiness, methods=["HEAD"], include_in_schema=False)
    return router
