"""The routes of sessions and environments."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...engine import Session
from ...settings import Settings
from ...types import SessionInfo
from ...web.openapi import answers, takes
from ...web.service import PlainRoute, Service, owner_of
from ...web.wire import DESCRIPTION_BYTES, json_answer
from .models import CreateSessionRequest, EnvironmentList, SessionList, UpdateSessionRequest
from .reading import read_json


def routes(service: Service) -> APIRouter:
    """The routes of sessions and environments."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1", tags=["sessions"])

    @router.post("/sessions", openapi_extra=takes(CreateSessionRequest), **answers(SessionInfo, 201, "Made."))
    async def create_session(request: Request) -> Response:
        """Make a session: a sandbox with variables and files that live across executions."""
        asked = await read_json(request, CreateSessionRequest, DESCRIPTION_BYTES)
        _check_times(service.settings, asked.ttl_s, asked.idle_timeout_s)
        service.check_taking()

        async def make() -> Session:
            return await service.engine.create_session(
                owner=owner_of(request),
                environment=asked.environment,
                tier=asked.tier,
                limits=asked.limits.under(service.settings) if asked.limits else None,
                env_vars=asked.env_vars,
                metadata=asked.metadata,
                ttl_s=asked.ttl_s,
                idle_timeout_s=asked.idle_timeout_s,
            )

        session = await service.while_connected(request.receive, make)
        return json_answer(session.info().to_dict(), 201, {"location": f"/v1/sessions/{session.id}"})

    @router.get("/sessions", **answers(SessionList))
    async def list_sessions(request: Request) -> Response:
        """The caller's sessions."""
        sessions = service.engine.sessions(owner=owner_of(request))
        return json_answer({"sessions": [session.info().to_dict() for session in sessions]})

    @router.get("/sessions/{session_id}", **answers(SessionInfo))
    async def get_session(request: Request, session_id: str) -> Response:
        """One session: its limits, its times, and the layers that really stand around it."""
        return json_answer(service.session(request, session_id).info().to_dict())

    @router.patch("/sessions/{session_id}", openapi_extra=takes(UpdateSessionRequest), **answers(SessionInfo))
    async def update_session(request: Request, session_id: str) -> Response:
        """Change a session's metadata or its times."""
        asked = await read_json(request, UpdateSessionRequest, DESCRIPTION_BYTES)
        _check_times(service.settings, asked.ttl_s, asked.idle_timeout_s)
        session = service.session(request, session_id)
        session.update(metadata=asked.metadata, ttl_s=asked.ttl_s, idle_timeout_s=asked.idle_timeout_s)
        return json_answer(session.info().to_dict())

    @router.delete("/sessions/{session_id}", **answers(None, 204))
    async def delete_session(request: Request, session_id: str) -> Response:
        """End a session, with what runs in it and all its files."""
        await service.engine.end_session(service.session(request, session_id))
        return Response(status_code=204)

    @router.get("/environments", **answers(EnvironmentList))
    async def list_environments(request: Request) -> Response:
        """The environments that sandboxes can have."""
        return json_answer({"environments": [each.to_dict() for each in service.engine.environments()]})

    return router


def _check_times(settings: Settings, ttl_s: float | None, idle_timeout_s: float | None) -> None:
    for name, wish in (("ttl_s", ttl_s), ("idle_timeout_s", idle_timeout_s)):
        if wish is not None:
            settings.within_ceiling(name, wish)
