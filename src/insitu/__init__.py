"""Runs the Python that an AI model writes right where the model is served."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import AsyncClient, AsyncClientSession, Client, ClientSession
    from .errors import (
        CallerError,
        EngineClosed,
        FileMissing,
        Forbidden,
        InsituError,
        InvalidRequest,
        IsolationUnavailable,
        NotFound,
        OverCeiling,
        PathRefused,
        QuotaExceeded,
        SandboxFailed,
        ServerFull,
        ServerUnreachable,
        ServiceError,
        SessionNotFound,
        StoreFailed,
        TooLarge,
        Unauthorized,
        WorkspaceFull,
    )
    from .local import AsyncSandbox, Sandbox
    from .settings import Settings
    from .types import (
        CodeError,
        EnvironmentInfo,
        Event,
        Execution,
        FileInfo,
        Limits,
        Result,
        SessionInfo,
        Timings,
        Truncated,
        Usage,
    )

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncClientSession",
    "AsyncSandbox",
    "CallerError",
    "Client",
    "ClientSession",
    "CodeError",
    "EngineClosed",
    "EnvironmentInfo",
    "Event",
    "Execution",
    "FileInfo",
    "FileMissing",
    "Forbidden",
    "InsituError",
    "InvalidRequest",
    "IsolationUnavailable",
    "Limits",
    "NotFound",
    "OverCeiling",
    "PathRefused",
    "QuotaExceeded",
    "Result",
    "Sandbox",
    "SandboxFailed",
    "ServerFull",
    "ServerUnreachable",
    "ServiceError",
    "SessionInfo",
    "SessionNotFound",
    "Settings",
    "StoreFailed",
    "Timings",
    "TooLarge",
    "Truncated",
    "Unauthorized",
    "Usage",
    "WorkspaceFull",
    "__version__",
]

_HOMES = {
    "AsyncClient": "client",
    "AsyncClientSession": "client",
    "AsyncSandbox": "local",
    "Client": "client",
    "ClientSession": "client",
    "CodeError": "types",
    "EnvironmentInfo": "types",
    "Event": "types",
    "Execution": "types",
    "FileInfo": "types",
    "Limits": "types",
    "Result": "types",
    "Sandbox": "local",
    "SessionInfo": "types",
    "Settings": "settings",
    "Timings": "types",
    "Truncated": "types",
    "Usage": "types",
}


if not TYPE_CHECKING:  # so that type checkers know the names above, and no others

    def __getattr__(name: str) -> object:
        # Imported when first used: a client should not wait for an engine, nor a sandbox for an HTTP client.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
