"""What there is to tell of a failure, whatever the form: ours, the framework's, and the unforeseen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .. import errors
from .encoding import dumps

INVALID = "invalid_request_error"
NOT_FOUND = "not_found_error"
SERVER = "server_error"

# Looked up along an exception's bases, so that a new one is answered like its family.
STATUSES: dict[type[errors.InsituError], tuple[int, str]] = {
    errors.CallerError: (422, INVALID),
    errors.Unauthorized: (401, "authentication_error"),
    errors.Forbidden: (403, "permission_error"),
    errors.NotFound: (404, NOT_FOUND),
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


class CodeRan(errors.ServiceError):
    """Raised when a turn failed after code had run: clients that send it again would have it run again."""

    code = "turn_failed"

    def __init__(self, cause: errors.InsituError) -> None:
        super().__init__(cause.message, hint="code has run already, and would run again if this were sent again")


STATUSES |= {
    BodyStalled: (408, INVALID),
    RangeRefused: (416, INVALID),
    CodeRan: (424, SERVER),
    ExtraMissing: (501, SERVER),
}
_HINT = "the fields are described at /docs"
# Each is described at length before the first is told.
_MOST_FAULTS = 100
# Code may have run, or there is no hope; and clients send again by themselves what fails with most statuses.
_NOT_AGAIN = (424, 500, 501, 508)


@dataclass(frozen=True, slots=True)
class Described:
    """A failure as all dialects tell it, each in its own form.

    Args:
        status: of HTTP, in this server's own API.
        kind: the family that it belongs to, likewise.
        headers: what an answer says of it beside the body.
    """

    status: int
    kind: str
    code: str
    message: str
    hint: str | None
    request_id: str
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        """The message, with what to do about it: for forms that have one text alone."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def answer(self, body: object, status: int | None = None) -> Response:
        """The HTTP answer with this body; ``status`` is by default its own."""
        return Response(dumps(body), status or self.status, self.headers, media_type="application/json")


def described(exc: Exception, request_id: str) -> Described:
    """What is told of an exception: of one that nobody raised on purpose, nothing but the request's id."""
    if isinstance(exc, HTTPException):
        return _framework_error(exc, request_id)
    error = exc if isinstance(exc, errors.InsituError) else errors.Unforeseen(request_id)
    status, kind = next((STATUSES[cls] for cls in type(error).__mro__ if cls in STATUSES), (500, SERVER))
    if isinstance(error, errors.UpstreamRefused):
        status = error.status
    return Described(status, kind, error.code, error.message, error.hint, request_id, _headers(error, status))


def worded(status: int, words: Mapping[int, tuple[int, str]]) -> tuple[int, str]:
    """The status and the word by which a dialect tells a status, by its table of them; else those of 400 or 500."""
    return words.get(status) or words[400 if status < 500 else 500]


def error_answer(exc: Exception, request_id: str) -> Response:
    """The answer to an exception, in this server's own form."""
    told = described(exc, request_id)
    return told.answer({"error": error_body(told)})


def error_body(told: Described) -> dict[str, Any]:
    """What is in the member ``error``."""
    hint = {"hint": told.hint} if told.hint else {}
    body = {"type": told.kind, "code": told.code, "message": told.message}
    return {**body, **hint, "request_id": told.request_id}


async def answer_framework_error(request: Request, exc: Exception) -> Response:
    """Answer what the framework refuses: no such route, no such method, a bad query."""
    refused = _malformed(exc.errors(), within=1) if isinstance(exc, RequestValidationError) else exc
    answer: Response = request.scope["insitu.error_answer"](refused, request.scope["insitu.request_id"])
    return answer


def invalid_request(
    exc: ValidationError, whole: str = "the body", elsewhere: Mapping[str, str] | None = None, *, shown: bool = False
) -> Malformed:
    """Say in one sentence what pydantic found wrong; of very many faults, only how many there are.

    Args:
        whole: what was validated.
        elsewhere: what is told of fields that callers look for where they are not.
        shown: whether what was wrong is small enough to be repeated.
    """
    if (count := exc.error_count()) > _MOST_FAULTS:
        return Malformed(f"there are {count} faults in {whole}", hint=_HINT)
    faults = exc.errors(include_url=False, include_context=shown, include_input=shown)
    return _malformed(faults, whole=whole, elsewhere=elsewhere)


def _malformed(
    faults: Sequence[Any], within: int = 0, whole: str = "the body", elsewhere: Mapping[str, str] | None = None
) -> Malformed:
    # The first five faults are enough to go on; of a fault's place, what it is within is no part of the field's name.
    message = "; ".join(_fault(fault, whole, elsewhere or {}) for fault in faults[:5])
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    param = _dotted(faults[0]["loc"][within:]) or None
    return Malformed(message + more, hint=_HINT, param=param)


def _fault(fault: Any, whole: str, elsewhere: Mapping[str, str]) -> str:
    name = _dotted(fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{name}: {elsewhere.get(name, 'there is no such field')}"
    if fault["type"] == "json_invalid":
        return f"the body is not valid JSON: {fault['msg'].removeprefix('Invalid JSON: ')}"
    if fault["type"] == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    got = fault.get("input")
    shown = f" (it is {got:g})" if isinstance(got, float | int) and abs(got) < 1 << 64 else ""
    text = fault["msg"].replace("Input should", "it should")
    return f"{name or whole}: {text}{shown}"


def _dotted(location: Sequence[int | str]) -> str:
    # A caller's own long key must not come back at full length.
    return ".".join(str(part) for part in location)[:200]


def _framework_error(exc: HTTPException, request_id: str) -> Described:
    status, hint = exc.status_code, None
    kind, code, message = INVALID if status < 500 else SERVER, "http_error", exc.detail
    if status == 404:
        kind, code, message, hint = NOT_FOUND, "route_not_found", "there is no such route", "/docs lists all routes"
    elif status == 405:
        code, message, hint = "method_not_allowed", "this route does not take this method", "see /docs"
    return Described(status, kind, code, message, hint, request_id, dict(exc.headers or {}))


def _headers(error: errors.InsituError, status: int) -> dict[str, str]:
    if status in _NOT_AGAIN:
        return {"x-should-retry": "false"}
    if error.retry_after_s is not None:
        return {"retry-after": str(max(1, math.ceil(error.retry_after_s)))}
    if isinstance(error, errors.Unauthorized):
        return {"www-authenticate": "Bearer"}
    if isinstance(error, RangeRefused):
        return {"content-range": f"bytes */{error.size}"}
    return {}
