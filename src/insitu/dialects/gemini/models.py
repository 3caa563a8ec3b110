"""The models of the model server, as Google describes them."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...web.openapi import answers_elsewhere
from ...web.parameters import RouteUnsupported
from ...web.service import PlainRoute, Service, key_of
from ...web.shapes import Json
from ...web.wire import json_answer

_METHODS = ("generateContent", "streamGenerateContent", "countTokens")
_EMBEDDING = ("embedContent", "batchEmbedContents")
# How the paths end that no other API has.
METHODS = tuple(f":{method}" for method in (*_METHODS, *_EMBEDDING))


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
        await service.turns.upstream.require(model, key_of(request))
        return json_answer(_shown(model))

    @router.post("/{model:path}:embedContent", include_in_schema=False)
    @router.post("/{model:path}:batchEmbedContents", include_in_schema=False)
    async def refuse_embedding(request: Request, model: str) -> Response:
        """Say where embeddings are."""
        raise RouteUnsupported("embedContent is not here", hint="/v1/embeddings, OpenAI's, goes to the model server")

    return router


def _shown(name: str) -> Json:
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": list(_METHODS)}
