"""The service cannot do its part."""

from __future__ import annotations

from .root import ServiceError


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
