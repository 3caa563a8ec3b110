"""Errors in Anthropic's form."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from ...errors import UpstreamRefused
from ...web.encoding import dumps
from ...web.errors import error_answer, error_body, error_status
from ...web.parameters import Unsupported
from ...web.turns import CodeRan

_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    424: "api_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# What Anthropic has another status for.
_STATUSES = {422: 400, 503: 529}
# Code may have run, or there is no hope; and clients send again by themselves what fails with most statuses.
_NOT_AGAIN = (424, 500, 501, 508)


class ThreadsUnsupported(Unsupported):
    """Raised for a request that names a thread; told so by this very code, clients send the whole conversation."""

    def __init__(self) -> None:
        super().__init__("thread", "threads are not kept here: send the whole conversation with each request")
        self.code = "thread_unsupported_request"
        self.details = {"unsupported": ["thread"]}


def anthropic_error(exc: Exception, request_id: str) -> Response:
    """An error as Anthropic's clients read it."""
    plain = error_answer(exc, request_id)
    headers = {name: value for name, value in plain.headers.items() if name not in ("content-length", "content-type")}
    status = _status(exc)
    if status in _NOT_AGAIN:
        headers["x-should-retry"] = "false"
    return Response(dumps(anthropic_error_body(exc, request_id)), status, headers, media_type="application/json")


def anthropic_error_body(exc: Exception, request_id: str) -> dict[str, Any]:
    """The body of an error's answer, and the data of its event in a stream."""
    error = error_body(exc, request_id)["error"]
    hint = f" ({error['hint']})" if error.get("hint") else ""
    status = _status(exc)
    told = {
        "type": _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error"),
        "message": error["message"] + hint,
        "details": {"error_code": error["code"], **getattr(exc, "details", {})},
    }
    return {"type": "error", "error": told, "request_id": request_id}


def _status(exc: Exception) -> int:
    if isinstance(exc, CodeRan):
        return 424
    status = exc.status if isinstance(exc, UpstreamRefused) else error_status(exc)
    return _STATUSES.get(status, status)
