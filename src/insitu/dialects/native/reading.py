"""Bodies of requests to the native API."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from ...web import wire
from .models import OF_THE_SESSION

Model = TypeVar("Model", bound=BaseModel)

# Fields that callers will look for where they are not.
_ELSEWHERE = {
    "tools": "named with the code, for each execution",
    "policy": "not built yet",
    "session_id": "the path names the session",
    "environment": OF_THE_SESSION,
    "limits": OF_THE_SESSION,
    "tier": OF_THE_SESSION,
}


async def read_json(request: Request, model: type[Model], cap: int) -> Model:
    """The body as the model, as :func:`insitu.web.wire.read_json`."""
    return await wire.read_json(request, model, cap, _ELSEWHERE)
