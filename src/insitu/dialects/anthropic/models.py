"""The models of the model server, as Anthropic's clients read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from ...web.service import Service, key_of
from ...web.shapes import Json, moment
from ...web.wire import json_answer
from .speaking import SharedRoute


class ModelsQuery(BaseModel):
    """Which of the models are asked for."""

    limit: int = Field(1000, ge=1, le=1000)
    after_id: str | None = None
    before_id: str | None = None


def routes(service: Service) -> APIRouter:
    """The routes of models."""
    router = APIRouter(route_class=SharedRoute, prefix="/v1/models", include_in_schema=False)

    @router.get("")
    async def list_anthropic_models(request: Request, query: Annotated[ModelsQuery, Query()]) -> Response:
        """The models of the model server; none without one."""
        return json_answer(_listed(await service.turns.upstream.models(key_of(request)), query))

    @router.get("/{model:path}")
    async def retrieve_anthropic_model(request: Request, model: str) -> Response:
        """One of them; its name may have slashes."""
        await service.turns.upstream.require(model, key_of(request))
        return json_answer(_shown(model))

    return router


def _listed(names: Sequence[str], query: ModelsQuery) -> Json:
    start, end = 0, len(names)
    if query.after_id in names:
        start = names.index(query.after_id) + 1
    if query.before_id in names:
        end = names.index(query.before_id)
    part = names[start:end][-query.limit :] if query.before_id else names[start:end][: query.limit]
    first, last = (part[0], part[-1]) if part else (None, None)
    has_more = len(part) < end - start
    return {"data": [_shown(name) for name in part], "has_more": has_more, "first_id": first, "last_id": last}


def _shown(name: str) -> Json:
    # When a model was made, not every model server says; the epoch is Anthropic's own word for that.
    return {"id": name, "type": "model", "display_name": name, "created_at": moment(0), "lifecycle": "active"}
