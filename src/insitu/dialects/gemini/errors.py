"""Errors in Google's form."""

from __future__ import annotations

from starlette.responses import Response

from ...web.errors import described, worded
from ...web.shapes import Json

# Google's own statuses, each with the only code of HTTP that its clients know for it.
_WORDS = {
    400: (400, "INVALID_ARGUMENT"),
    401: (401, "UNAUTHENTICATED"),
    403: (403, "PERMISSION_DENIED"),
    404: (404, "NOT_FOUND"),
    405: (404, "NOT_FOUND"),
    409: (409, "ABORTED"),
    # Clients send again what is only unavailable; code that has run must not run again.
    424: (400, "FAILED_PRECONDITION"),
    429: (429, "RESOURCE_EXHAUSTED"),
    499: (499, "CANCELLED"),
    500: (500, "INTERNAL"),
    501: (501, "UNIMPLEMENTED"),
    502: (503, "UNAVAILABLE"),
    503: (503, "UNAVAILABLE"),
    504: (504, "DEADLINE_EXCEEDED"),
}


def gemini_error(exc: Exception, request_id: str) -> Response:
    """An error as Google's clients read it."""
    body = gemini_error_body(exc, request_id)
    return described(exc, request_id).answer({"error": body}, body["code"])


def gemini_error_body(exc: Exception, request_id: str) -> Json:
    """What is in the member ``error``."""
    told = described(exc, request_id)
    code, status = worded(told.status, _WORDS)
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": told.code.upper(),
        "domain": "insitu",
        "metadata": {"request_id": request_id},
    }
    return {"code": code, "message": told.text, "status": status, "details": [detail]}
