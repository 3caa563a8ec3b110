"""One error body for everything that is not a 200: ours, the framework's and the unforeseen."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .. import errors
from .encoding import dumps

log = logging.getLogger("insitu.server")

INVALID = "invalid_request_error"
SERVER = "server_error"

# Looked up along an exception's bases, so that a new one is answered like its family.
STATUSES: dict[type[errors.InsituError], tuple[int, str]] = {
    errors.CallerError: (422, INVALID),
    errors.Unauthorized: (401, "authentication_error"),
    errors.Forbidden: (403, "permission_error"),
    errors.NotFound: (404, "not_found_error"),
    errors.TooLarge: (413, INVALID),
    errors.WorkspaceFull: (413, INVALID),
    errors.Conflict: (409, INVALID),
    errors.QuotaExceeded: (429, "rate_limit_error"),
    # Not 503: the code may have run, and clients send again by themselves what a 503 answers.
    errors.ServiceError: (500, SERVER),
    errors.ServerFull: (503, SERVER),
    errors.EngineClosed: (503, SERVER),
    errors.UpstreamRefused: (400, INVALID),
    errors.NoUpstream: (501, SERVER),
    errors.UpstreamFailed: (502, SERVER),
    errors.UpstreamLoops: (508, SERVER),
    errors.UpstreamBusy: (429, "rate_limit_error"),
    errors.UpstreamTimeout: (504, SERVER),
}

OF_THE_SESSION = "set when the session is made, and fixed from then on"
# Fields that callers will look for where they are not.
NOT_HERE = {
    "tools": "named with the code, for each execution",
    "policy": "not built yet",
    "session_id": "the path names the session",
    "environment": OF_THE_SESSION,
    "limits": OF_THE_SESSION,
    "tier": OF_THE_SESSION,
}


class ClientGone(Exception):
    """Raised when the client went away: there is nobody to answer."""


class ServerStopped(errors.ServiceError):
    """Raised when the server stops before the code has ended."""

    code = "server_stopped"

    def __init__(self) -> None:
        super().__init__(
            "the server stopped before the code ended",
            hint="the code may have run in part; send it again if that does no harm",
        )


class BodyStalled(errors.CallerError):
    """Raised when a request's body stops coming."""

    code = "body_stalled"


class Malformed(errors.InvalidRequest):
    """Raised when a body or a query is not what it has to be; ``param`` names the field at fault, if it is one."""

    def __init__(self, message: str, *, hint: str | None = None, param: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.param = param


class ExtraMissing(errors.ServiceError):
    """Raised when something needs packages that the server lacks; ``extra`` names what brings them."""

    code = "extra_missing"

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages that this server lacks", hint=f"pip install 'insitu[{extra}]'")


class RangeRefused(errors.CallerError):
    """Raised when a range begins after the end of the file."""

    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"the range begins after the file's end; the file has {size} bytes")
        self.size = size


STATUSES |= {BodyStalled: (408, INVALID), RangeRefused: (416, INVALID), ExtraMissing: (501, SERVER)}


def error_answer(exc: Exception, request_id: str) -> Response:
    """The HTTP answer to an exception."""
    return Response(
        dumps(error_body(exc, request_id)),
        error_status(exc),
        headers=_headers(exc),
        media_type="application/json",
    )


def error_status(exc: Exception) -> int:
    """The HTTP status of an exception."""
    if isinstance(exc, HTTPException):
        return exc.status_code
    return _family(exc)[0] if isinstance(exc, errors.InsituError) else 500


def error_body(exc: Exception, request_id: str) -> dict[str, Any]:
    """The one error body; of exceptions that nobody raised on purpose it tells nothing."""
    if isinstance(exc, errors.InsituError):
        body = _body(_family(exc)[1], exc.code, exc.message, exc.hint)
    elif isinstance(exc, HTTPException):
        body = _framework_body(exc)
    else:
        log.error("request %s failed", request_id, exc_info=exc)
        body = _body(SERVER, "internal", "something went wrong in the server", "its log has the request_id")
    return {"error": {**body, "request_id": request_id}}


async def answer_framework_error(request: Request, exc: Exception) -> Response:
    """Answer what the framework refuses: no such route, no such method, a bad query."""
    refused = invalid_request(exc.errors(), within=1) if isinstance(exc, RequestValidationError) else exc
    answer: Response = request.scope["insitu.error_answer"](refused, request.scope["insitu.request_id"])
    return answer


def invalid_request(faults: Sequence[Any], within: int = 0) -> Malformed:
    """Say in one sentence what pydantic found wrong; the first five faults are enough to go on.

    Args:
        within: how many parts of a fault's place say where the field is, and not what it is called.
    """
    message = "; ".join(_fault(fault) for fault in faults[:5])
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    param = _dotted(faults[0]["loc"][within:]) or None
    return Malformed(message + more, hint="the fields are described at /docs", param=param)


def _fault(fault: Any) -> str:
    name = _dotted(fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{name}: {NOT_HERE.get(name, 'there is no such field')}"
    if fault["type"] == "json_invalid":
        return f"the body is not valid JSON: {fault['msg'].removeprefix('Invalid JSON: ')}"
    if fault["type"] == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    got = fault.get("input")
    shown = f" (it is {got:g})" if isinstance(got, float | int) and abs(got) < 1 << 64 else ""
    text = fault["msg"].replace("Input should", "it should")
    return f"{name or 'the body'}: {text}{shown}"


def _dotted(location: Sequence[int | str]) -> str:
    # A caller's own long key must not come back at full length.
    return ".".join(str(part) for part in location)[:200]


def _family(exc: errors.InsituError) -> tuple[int, str]:
    return next((STATUSES[cls] for cls in type(exc).__mro__ if cls in STATUSES), (500, SERVER))


def _framework_body(exc: HTTPException) -> dict[str, str]:
    if exc.status_code == 404:
        return _body("not_found_error", "route_not_found", "there is no such route", "/docs lists all routes")
    if exc.status_code == 405:
        return _body(INVALID, "method_not_allowed", "this route does not take this method", "see /docs")
    return _body(INVALID if exc.status_code < 500 else SERVER, "http_error", exc.detail, None)


def _body(family: str, code: str, message: str, hint: str | None) -> dict[str, str]:
    body = {"type": family, "code": code, "message": message}
    return {**body, "hint": hint} if hint else body


def _headers(exc: Exception) -> dict[str, str]:
    if isinstance(exc, HTTPException):
        return dict(exc.headers or {})
    if isinstance(exc, errors.InsituError) and exc.retry_after_s is not None:
        return {"retry-after": str(max(1, math.ceil(exc.retry_after_s)))}
    if isinstance(exc, errors.Unauthorized):
        return {"www-authenticate": "Bearer"}
    if isinstance(exc, RangeRefused):
        return {"content-range": f"bytes */{exc.size}"}
    return {}
