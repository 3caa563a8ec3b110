"""Errors in Google's form."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ...errors import UpstreamRefused
from ...web.encoding import dumps
from ...web.errors import error_answer, error_body, error_status
from ...web.turns import CodeRan

# Google's own statuses, each with the only code of HTTP that its clients know for it.
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# What there is besides, as the nearest of them.
_NEAREST = {405: 404, 408: 400, 413: 400, 416: 400, 422: 400, 502: 503, 508: 500}


def gemini_error(exc: Exception, request_id: str) -> Response:
    """An error as Google's clients read it."""
    plain = error_answer(exc, request_id)
    headers = {name: value for name, value in plain.headers.items() if name not in ("content-length", "content-type")}
    body = gemini_error_body(exc, request_id)
    return Response(dumps({"error": body}), body["code"], headers, media_type="application/json")


def gemini_error_body(exc: Exception, request_id: str) -> dict[str, Any]:
    """What is in the member ``error``."""
    error = error_body(exc, request_id)["error"]
    code = _code(exc)
    hint = f" ({error['hint']})" if error.get("hint") else ""
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error["code"].upper(),
        "domain": "insitu",
        "metadata": {"request_id": request_id},
    }
    # Clients send again what is only unavailable; code that has run must not run again.
    status = "FAILED_PRECONDITION" if isinstance(exc, CodeRan) else _STATUSES[code]
    return {"code": code, "message": error["message"] + hint, "status": status, "details": [detail]}


def _code(exc: Exception) -> int:
    if isinstance(exc, CodeRan):
        return 400
    status = exc.status if isinstance(exc, UpstreamRefused) else error_status(exc)
    status = _NEAREST.get(status, status)
    return status if status in _STATUSES else 400 if status < 500 else 500
