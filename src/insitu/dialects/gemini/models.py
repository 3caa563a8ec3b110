"""The models of the model server, as Google describes them."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...errors import NotFound
from ...web.openapi import answers_elsewhere
from ...web.service import PlainRoute, Service, key_of
from ...web.shapes import Json
from ...web.wire import json_answer

_METHODS = ("generateContent", "streamGenerateContent", "countTokens")


def routes(service: Service) -> APIRouter:
    """The routes of models."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1beta/models", tags=["gemini"])

    @router.get("", **answers_elsewhere())
    async def list_gemini_models(request: Request) -> Response:
        """The models of the model server."""
        names = await service.turns.upstream.models(key_of(request))
        return json_answer({"models": [_shown(name) for name in names]})

    @router.get("/{model:path}", **answers_elsewhere())
    async def get_gemini_model(request: Request, model: str) -> Response:
        """One of them."""
        if model not in await service.turns.upstream.models(key_of(request)):
            raise NotFound(f"there is no model {model[:200]!r} at the model server")
        return json_answer(_shown(model))

    return router


def _shown(name: str) -> Json:
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": list(_METHODS)}
