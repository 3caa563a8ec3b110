"""Errors in Anthropic's form."""

from __future__ import annotations

from starlette.responses import Response

from ...web.errors import described, worded
from ...web.parameters import Unsupported
from ...web.shapes import Json

_INVALID, _API = "invalid_request_error", "api_error"
_WORDS = {
    400: (400, _INVALID),
    401: (401, "authentication_error"),
    402: (402, "billing_error"),
    403: (403, "permission_error"),
    404: (404, "not_found_error"),
    405: (405, _INVALID),
    408: (408, "timeout_error"),
    409: (409, "conflict_error"),
    413: (413, "request_too_large"),
    416: (416, _INVALID),
    424: (424, _API),
    429: (429, "rate_limit_error"),
    500: (500, _API),
    501: (501, _API),
    502: (502, _API),
    503: (529, "overloaded_error"),
    504: (504, "timeout_error"),
    508: (508, _API),
}


class ThreadsUnsupported(Unsupported):
    """Raised for a request that names a thread; told so by this very code, clients send the whole conversation."""

    def __init__(self) -> None:
        super().__init__("thread", "threads are not kept here: send the whole conversation with each request")
        self.code = "thread_unsupported_request"
        self.details = {"unsupported": ["thread"]}


def anthropic_error(exc: Exception, request_id: str) -> Response:
    """An error as Anthropic's clients read it."""
    told = described(exc, request_id)
    return told.answer(anthropic_error_body(exc, request_id), worded(told.status, _WORDS)[0])


def anthropic_error_body(exc: Exception, request_id: str) -> Json:
    """The body of an error's answer, and the data of its event in a stream."""
    told = described(exc, request_id)
    details = {"error_code": told.code, **getattr(exc, "details", {})}
    error = {"type": worded(told.status, _WORDS)[1], "message": told.text, "details": details}
    return {"type": "error", "error": error, "request_id": request_id}
