"""insitu's own API."""

from __future__ import annotations

from fastapi import APIRouter

from ...web.dialect import Dialect
from ...web.service import Service
from . import execute, files, lambdas, sessions
from .lambda_models import LambdaRequest
from .models import CreateSessionRequest, ExecuteRequest, SessionExecuteRequest, UpdateSessionRequest


def _routes(service: Service) -> APIRouter:
    router = APIRouter()
    for part in (execute, sessions, files, lambdas):  # the busiest come first in the look-up
        router.include_router(part.routes(service))
    return router


NATIVE = Dialect(
    "insitu",
    _routes,
    paths=("/v1/execute", "/v1/sessions", "/v1/environments", "/v1/lambda"),
    bodies=(CreateSessionRequest, ExecuteRequest, LambdaRequest, SessionExecuteRequest, UpdateSessionRequest),
)
