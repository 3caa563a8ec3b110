"""Errors as AWS's clients read them: the kind in a header, and a small body."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from ... import errors
from ...web.encoding import dumps
from ...web.errors import BodyStalled, error_answer, error_body

_INVALID = "InvalidParameterValueException"
_BUSY = "TooManyRequestsException"
# Looked up along an exception's bases, so that a new one is answered like its family.
_KINDS: dict[type[errors.InsituError], tuple[str, int]] = {
    errors.CallerError: (_INVALID, 400),
    errors.Unauthorized: ("UnrecognizedClientException", 403),
    errors.Forbidden: ("AccessDeniedException", 403),
    errors.NotFound: ("ResourceNotFoundException", 404),
    errors.Conflict: ("ResourceConflictException", 409),
    errors.TooLarge: ("RequestTooLargeException", 413),
    errors.QuotaExceeded: (_BUSY, 429),
    BodyStalled: ("RequestTimeoutException", 408),
    errors.ServiceError: ("ServiceException", 500),
    errors.ServerFull: (_BUSY, 429),
    errors.EngineClosed: ("ServiceException", 503),
}
_REASONS: dict[type[Exception], str] = {
    errors.QuotaExceeded: "ReservedFunctionConcurrentInvocationLimitExceeded",
    errors.ServerFull: "ConcurrentInvocationLimitExceeded",
}


class AwsError(errors.CallerError):
    """Raised where AWS Lambda has a name for what is wrong; ``kind`` is that name."""

    def __init__(self, kind: str, status: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.status = status


def invalid(message: str, *, hint: str | None = None) -> AwsError:
    """A parameter has a value that cannot be used."""
    return AwsError(_INVALID, 400, message, hint=hint)


def conflict(message: str) -> AwsError:
    """The thing is there already, or its state forbids the request."""
    return AwsError("ResourceConflictException", 409, message)


def missing(message: str) -> AwsError:
    """The thing is gone, was never there, or is someone else's."""
    return AwsError("ResourceNotFoundException", 404, message)


def changed_meanwhile(revision: str) -> AwsError:
    """The caller knows an older state than there is."""
    return AwsError(
        "PreconditionFailedException",
        412,
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to"
        f" retrieve the latest Revision Id. (It is {revision}.)",
    )


def aws_request_id(request_id: str) -> str:
    """The id of a request in the form that AWS has."""
    return str(uuid.UUID(request_id.removeprefix("req_")))


def aws_error(exc: Exception, request_id: str) -> Response:
    """The HTTP answer to an exception."""
    kind, status = _kind(exc)
    error = error_body(exc, request_id)["error"]
    text = f"{error['message']} ({error['hint']})" if error.get("hint") else error["message"]
    # Which of the two spellings a client looks for depends on the kind.
    body: dict[str, Any] = {"Type": "User" if status < 500 else "Service", "Message": text, "message": text}
    reason = next((_REASONS[cls] for cls in type(exc).__mro__ if cls in _REASONS), None)
    headers = {"x-amzn-errortype": kind, "x-amzn-requestid": aws_request_id(request_id)}
    if retry_after := error_answer(exc, request_id).headers.get("retry-after"):
        headers["retry-after"] = retry_after
    return Response(dumps({**body, "Reason": reason} if reason else body), status, headers, "application/json")


def _kind(exc: Exception) -> tuple[str, int]:
    if isinstance(exc, AwsError):
        return exc.kind, exc.status
    if isinstance(exc, HTTPException):
        return "UnknownOperationException", exc.status_code
    return next((_KINDS[cls] for cls in type(exc).__mro__ if cls in _KINDS), ("ServiceException", 500))
