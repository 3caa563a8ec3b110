"""What was asked for cannot be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .root import CallerError

if TYPE_CHECKING:
    from ..types import Invocation


def exact(number: float) -> str:
    """A number to the last digit: bytes are not rounded."""
    return str(number) if isinstance(number, int) else f"{number:.15g}"


class InvalidRequest(CallerError):
    """Raised when a request is malformed or a value is out of its range."""


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


class IsFolder(InvalidRequest):
    """Raised when a path in a workspace is a folder's, where a file is meant."""

    code = "is_folder"

    def __init__(self, path: str, *, hint: str | None = None) -> None:
        super().__init__(f"{path!r} is a folder", hint=hint)
        self.path = path


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
