"""Errors as AWS's clients read them: the kind in a header, and a small body."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from ... import errors
from ...web.errors import described, worded

_INVALID = "InvalidParameterValueException"
_BUSY = "TooManyRequestsException"
_WORDS = {
    400: (400, _INVALID),
    401: (403, "UnrecognizedClientException"),
    403: (403, "AccessDeniedException"),
    404: (404, "ResourceNotFoundException"),
    408: (408, "RequestTimeoutException"),
    409: (409, "ResourceConflictException"),
    413: (413, "RequestTooLargeException"),
    429: (429, _BUSY),
    500: (500, "ServiceException"),
    503: (503, "ServiceException"),
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
    told = described(exc, request_id)
    status, kind = _worded(exc, told.status)
    # Which of the two spellings a client looks for depends on the kind.
    body: dict[str, Any] = {"Type": "User" if status < 500 else "Service", "Message": told.text, "message": told.text}
    reason = next((_REASONS[cls] for cls in type(exc).__mro__ if cls in _REASONS), None)
    answer = told.answer({**body, "Reason": reason} if reason else body, status)
    answer.headers.update({"x-amzn-errortype": kind, "x-amzn-requestid": aws_request_id(request_id)})
    return answer


def _worded(exc: Exception, status: int) -> tuple[int, str]:
    if isinstance(exc, AwsError):
        return exc.status, exc.kind
    if isinstance(exc, HTTPException):
        return status, "UnknownOperationException"
    # A full server is a throttled client there.
    return worded(429 if isinstance(exc, errors.ServerFull) else status, _WORDS)
