"""Errors of interactions, whose clients take a word for a code where those of generateContent take a number."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ....web.encoding import dumps
from ....web.errors import error_body
from ..errors import gemini_error, gemini_error_body


def interaction_error(exc: Exception, request_id: str) -> Response:
    """An error as clients of interactions read it."""
    plain = gemini_error(exc, request_id)
    headers = {name: value for name, value in plain.headers.items() if name != "content-length"}
    return Response(dumps({"error": interaction_error_body(exc, request_id)}), plain.status_code, headers)


def interaction_error_body(exc: Exception, request_id: str) -> dict[str, Any]:
    """What is in the member ``error``."""
    described = gemini_error_body(exc, request_id)
    code = error_body(exc, request_id)["error"]["code"]
    return {"code": code, "message": described["message"], "status": described["status"]}


def error_of(exc: Exception, interaction_id: str) -> dict[str, Any]:
    """What an interaction that has failed says of it."""
    described = interaction_error_body(exc, interaction_id)
    return {name: described[name] for name in ("code", "message")}
