"""The models: those of the model server, in its own words."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...errors import NotFound
from ...web.openapi import answers_elsewhere
from ...web.passthrough import PassThrough
from ...web.service import PlainRoute, Service
from ...web.wire import json_answer


class ModelMissing(NotFound):
    """Raised when a model is asked about and there is none at all."""

    code = "model_not_found"
    param = "model"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model {model[:200]!r} does not exist: this server has no model behind it",
            hint="start it with --upstream URL, the base URL of an OpenAI-compatible model server",
        )


def routes(service: Service) -> APIRouter:
    """The routes of models."""
    router = APIRouter(route_class=PlainRoute, prefix="/v1/models", tags=["openai"])

    @router.get("", **answers_elsewhere())
    async def list_models(request: Request) -> Response:
        """The models of the model server; none without one."""
        if not service.settings.upstream:
            return json_answer({"object": "list", "data": []})
        return PassThrough(service, request)

    @router.get("/{model:path}", **answers_elsewhere())
    async def retrieve_model(request: Request, model: str) -> Response:
        """One of them; its name may have slashes."""
        if not service.settings.upstream:
            raise ModelMissing(model)
        return PassThrough(service, request)

    return router
