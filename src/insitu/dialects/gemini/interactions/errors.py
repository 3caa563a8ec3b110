"""Errors of interactions, whose clients take a word for a code where those of generateContent take a number."""

from __future__ import annotations

from starlette.responses import Response

from ....web.errors import Described, described
from ....web.shapes import Json
from ..errors import gemini_error_body


def interaction_error(exc: Exception, request_id: str) -> Response:
    """An error as clients of interactions read it."""
    status = gemini_error_body(exc, request_id)["code"]
    return described(exc, request_id).answer({"error": interaction_error_body(exc, request_id)}, status)


def interaction_error_body(exc: Exception, request_id: str) -> Json:
    """What is in the member ``error``."""
    told = described(exc, request_id)
    return {"code": told.code, "message": told.text, "status": gemini_error_body(exc, request_id)["status"]}


def error_of(told: Described) -> Json:
    """What an interaction that has failed says of it."""
    return {"code": told.code, "message": told.text}
