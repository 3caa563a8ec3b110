"""What a server answered, as values and as the exceptions of :mod:`insitu.errors`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import httpx2

from insitu.errors import (
    CallerError,
    Conflict,
    Forbidden,
    InsituError,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
    ServerFull,
    ServerUnreachable,
    ServiceError,
    TooLarge,
    Unauthorized,
)
from insitu.types import Event, EventKind

# What reading a body raises that is JSON of another kind, or none.
UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)

_NO_SERVER = "start one with `insitu serve`, or name another by url= or INSITU_URL"
_PLAIN = "what answers there speaks no TLS: if that is right, write the address with http://"

_BY_STATUS: Mapping[int, type[InsituError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: InvalidRequest,
    429: QuotaExceeded,
    503: ServerFull,
}
# What stands before a server says these for it. Whatever else is not of insitu's making says nothing of what was asked.
_OF_PROXIES = {401, 403, 413, 429, 503}


def failure(response: httpx2.Response) -> InsituError:
    """The exception that an error answer stands for; its body must have been read."""
    try:
        details = response.json()["error"]
        error = rebuilt(details, response.status_code)
    except UNREADABLE:
        error = foreign(response)
    if error.retry_after_s is not None:
        error.retry_after_s = _seconds(response.headers.get("retry-after"))
    return error


def rebuilt(details: Mapping[str, Any], status: int = 500) -> InsituError:
    """The exception of an error body, found by its ``code``, else by the status."""
    cls = _by_code().get(details.get("code", "")) or _by_status(status)
    # Some classes make their message from parts that a body does not carry: not by their own __init__.
    error = cls.__new__(cls)
    InsituError.__init__(error, str(details["message"]), hint=details.get("hint"))
    if request_id := details.get("request_id"):
        error.add_note(f"request id: {request_id}")
    return error


def event(sse: httpx2.ServerSentEvent) -> Event:
    """One entry of an execution's log.

    Raises:
        InsituError: if the server says that it could not go on.
    """
    return Event(int(sse.id or 0), cast(EventKind, sse.event), told(sse))


def told(sse: httpx2.ServerSentEvent) -> Any:
    """What an event of a stream carries.

    Raises:
        InsituError: if the server says that it could not go on.
    """
    body = json.loads(sse.data)
    if sse.event == "error":
        raise rebuilt(body["error"])
    return body


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turns what can go wrong on the way to the server into :class:`ServerUnreachable`."""
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise ServerUnreachable(
            f"no insitu server answers at {url}: {str(error) or 'it took too long'}",
            hint=_PLAIN if "WRONG_VERSION_NUMBER" in str(error) else _NO_SERVER,
        ) from None
    except httpx2.RequestError as error:
        raise ServerUnreachable(
            f"the connection to {url} broke: {str(error) or type(error).__name__}",
            hint="see the server's log; what was running may have ended",
        ) from None


def broken_off(url: str, before: str) -> ServerUnreachable:
    """For a stream that stops before its last event."""
    return ServerUnreachable(f"the stream from {url} stopped before {before}", hint="see the server's log")


def _by_code() -> dict[str, type[InsituError]]:
    # Breadth first, so that of a class and its child with the same code the child is taken.
    found: dict[str, type[InsituError]] = {}
    level: list[type[InsituError]] = [InsituError]
    while level:
        # A server in this process has classes of its own, which have their code from these.
        found.update(
            {cls.code: cls for cls in level if cls.__module__.startswith("insitu.errors.") or "code" in vars(cls)}
        )
        level = [child for cls in level for child in cls.__subclasses__()]
    return found


def _by_status(status: int) -> type[InsituError]:
    return _BY_STATUS.get(status) or (CallerError if status < 500 else ServiceError)


def foreign(response: httpx2.Response) -> InsituError:
    """The exception for an answer that no insitu server gives."""
    cls = _by_status(response.status_code) if response.status_code in _OF_PROXIES else ServiceError
    return cls(_unlike_insitu(response), hint="is this the address of an insitu server?")


def _unlike_insitu(response: httpx2.Response) -> str:
    start = " ".join(response.text.split())[:200]
    status = f"{response.status_code} {response.reason_phrase}"
    return f"{response.url} answered {status}, not as an insitu server does: {start!r}"


def _seconds(retry_after: str | None) -> float:
    try:
        return float(retry_after or 1)
    except ValueError:
        return 1.0
