"""Every exception that insitu raises on purpose, in one tree.

    InsituError
    ├── CallerError                 what was asked for cannot be done; asking differently can help
    │   ├── InvalidRequest          malformed, or a value out of its range
    │   │   └── OverCeiling         a limit over what the operator allows
    │   ├── Unauthorized            no key, or an unknown one
    │   ├── Forbidden               a web page of another origin, or a host name that is not ours
    │   ├── NotFound                gone, never there, or someone else's
    │   │   ├── SessionNotFound
    │   │   └── FileMissing
    │   ├── PathRefused             a path that leads out of the workspace
    │   ├── TooLarge                more bytes than the operator allows
    │   ├── WorkspaceFull           the session's disk limit is reached
    │   ├── Conflict                there already, or still in use
    │   ├── InvocationFailed        a function that was called as if it were here did not return
    │   ├── QuotaExceeded           the caller's own share is used up; try again later
    │   └── UpstreamRefused         the model server finds fault with the request
    └── ServiceError                the service cannot do its part
        ├── ServerFull              no room now; try again later
        ├── SandboxFailed           a sandbox could not be made, or died by itself
        ├── IsolationUnavailable    this machine lacks a layer of the wall
        ├── StoreFailed             what must last cannot be read or written
        ├── NoUpstream              there is no model server to ask
        ├── UpstreamFailed          the model server did not do its part
        │   ├── UpstreamBusy        it has no room now
        │   └── UpstreamTimeout     it was silent for too long
        ├── AnswerFailed            a turn broke off in the midst of its answer
        ├── ServerUnreachable       a client found no server, or the connection broke
        └── EngineClosed            used after it was closed

What user code does wrong is a value, in an execution's ``outcome`` and ``error``. Only where a function is called as
if it were one of the program's own, an exception stands for it: ``InvocationFailed``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .types import Invocation


class InsituError(Exception):
    """The root: catch this for everything that insitu raises on purpose.

    Args:
        retry_after_s: seconds after which trying again makes sense; None where it makes none.
    """

    code = "internal"
    retry_after_s: float | None = None

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class CallerError(InsituError):
    """What was asked for cannot be done."""

    code = "invalid_request"


class InvalidRequest(CallerError):
    """Raised when a request is malformed or a value is out of its range."""


def exact(number: float) -> str:
    """A number to the last digit: bytes are not rounded."""
    return str(number) if isinstance(number, int) else f"{number:.15g}"


class OverCeiling(InvalidRequest):
    """Raised when a caller asks for more than the operator's ceiling."""

    code = "over_ceiling"

    def __init__(self, name: str, asked: float, ceiling: float) -> None:
        super().__init__(
            f"{name} is {exact(asked)}, over this server's ceiling of {exact(ceiling)}",
            hint=f"ask for {exact(ceiling)} or less, or have the operator raise max_{name}",
        )
        self.name = name
        self.asked = asked
        self.ceiling = ceiling


class Unauthorized(CallerError):
    """Raised when a request carries no key, or an unknown one."""

    code = "unauthorized"


class Forbidden(CallerError):
    """Raised when a request comes from another origin or for another host."""

    code = "forbidden"


class NotFound(CallerError):
    """Raised when the thing is gone, was never there, or is someone else's."""

    code = "not_found"


class SessionNotFound(NotFound):
    """Raised when a session is gone, was never there, or is someone else's."""

    code = "session_not_found"

    def __init__(self, session_id: str, reason: str | None = None) -> None:
        because = f": {reason}" if reason else ""
        super().__init__(
            f"there is no session {session_id!r}{because}",
            hint="sessions end after their idle time or ttl; make a new one",
        )
        self.session_id = session_id
        self.reason = reason


class FileMissing(NotFound):
    """Raised when a workspace has no such file."""

    code = "file_not_found"

    def __init__(self, path: str, reason: str = "no such file or directory") -> None:
        super().__init__(f"{path!r} in the workspace: {reason}")
        self.path = path


class PathRefused(CallerError):
    """Raised when a path leads, or a link points, out of the workspace."""

    code = "path_refused"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"the path {path!r} is refused: {reason}",
            hint="use a path in the workspace, relative or below /mnt/data or /home/user",
        )
        self.path = path


class TooLarge(CallerError):
    """Raised when something holds more bytes than the operator allows."""

    code = "too_large"


class WorkspaceFull(CallerError):
    """Raised when a write would pass the session's disk limit."""

    code = "workspace_full"

    def __init__(self, path: str, disk_bytes: int) -> None:
        super().__init__(
            f"no room for {path!r}: the session's files may have {disk_bytes} bytes together, at the most",
            hint="delete files first, or make a session with more disk_bytes",
        )
        self.path = path
        self.disk_bytes = disk_bytes


class Conflict(CallerError):
    """Raised when a thing must be new and is there already, or is to go and is still in use."""

    code = "conflict"


class InvocationFailed(CallerError):
    """Raised when a function that is called as if it were here does not return.

    Args:
        invocation: all that is known of it.
    """

    code = "invocation_failed"

    def __init__(self, invocation: Invocation) -> None:
        error = invocation.error
        why = f"{error.name}: {error.value}" if error else str(invocation.outcome)
        super().__init__(f"{invocation.function}: {why}")
        self.invocation = invocation


class QuotaExceeded(CallerError):
    """Raised when the caller's own share is used up."""

    code = "quota_exceeded"
    retry_after_s: float = 1.0


class UpstreamRefused(CallerError):
    """Raised when the model server finds fault with a request.

    Args:
        status: the HTTP status that it answered with.
    """

    code = "upstream_refused"

    def __init__(self, message: str, *, hint: str | None = None, status: int = 400) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class ServiceError(InsituError):
    """The service cannot do its part; nothing is wrong with the request."""


class ServerFull(ServiceError):
    """Raised when there is no room for more work now."""

    code = "server_full"
    retry_after_s: float = 1.0


class SandboxFailed(ServiceError):
    """Raised when a sandbox could not be made, or died without the engine's doing."""

    code = "sandbox_failed"


class IsolationUnavailable(ServiceError):
    """Raised when this machine lacks a layer of the wall.

    Args:
        layer: the layer that is missing, such as ``"user namespaces"``.
    """

    code = "isolation_unavailable"

    def __init__(self, layer: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.layer = layer


class StoreFailed(ServiceError):
    """Raised when what must last cannot be read or written."""

    code = "store_failed"


class NoUpstream(ServiceError):
    """Raised when a model is asked for and the server has none behind it."""

    code = "no_upstream"

    def __init__(self) -> None:
        super().__init__(
            "this server has no model behind it",
            hint="start it with --upstream URL, the base URL of an OpenAI-compatible model server",
        )


class UpstreamFailed(ServiceError):
    """Raised when the model server cannot be reached, fails, or breaks off."""

    code = "upstream_failed"


class UpstreamLoops(UpstreamFailed):
    """Raised when a request comes back to the server that has passed it on."""

    code = "upstream_loops"


class UpstreamBusy(UpstreamFailed):
    """Raised when the model server has no room, or the operator's share of it is used up."""

    code = "upstream_busy"
    retry_after_s: float = 1.0


class UpstreamTimeout(UpstreamFailed):
    """Raised when the model server was silent for too long."""

    code = "upstream_timeout"


class AnswerFailed(ServiceError):
    """Raised by a client when a turn breaks off; code that it has run is not undone."""

    code = "answer_failed"


class ServerUnreachable(ServiceError):
    """Raised by a client that finds no server, or whose connection breaks."""

    code = "server_unreachable"


class EngineClosed(ServiceError):
    """Raised when an engine, client or sandbox is used after it was closed."""

    code = "closed"
