"""Runs the Python that an AI model writes right where the model is served."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import (
        AsyncClient,
        AsyncClientAnswer,
        AsyncClientSession,
        Client,
        ClientAnswer,
        ClientSession,
        function,
    )
    from .errors import (
        AnswerFailed,
        CallerError,
        Conflict,
        EngineClosed,
        FileMissing,
        Forbidden,
        InsituError,
        InvalidRequest,
        InvocationFailed,
        IsolationUnavailable,
        NotFound,
        NoUpstream,
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
        UpstreamBusy,
        UpstreamFailed,
        UpstreamLoops,
        UpstreamRefused,
        UpstreamTimeout,
        WorkspaceFull,
    )
    from .local import AsyncSandbox, Sandbox
    from .settings import Settings
    from .tools import tool
    from .types import (
        Answer,
        AnswerEvent,
        AnswerFile,
        BatchItem,
        Called,
        CodeError,
        DeployedFunction,
        EnvironmentInfo,
        Event,
        Execution,
        FileInfo,
        Invocation,
        Limits,
        Result,
        SessionInfo,
        Step,
        Timings,
        TokenUsage,
        Truncated,
        Usage,
    )

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerEvent",
    "AnswerFailed",
    "AnswerFile",
    "AsyncClient",
    "AsyncClientAnswer",
    "AsyncClientSession",
    "AsyncSandbox",
    "BatchItem",
    "Called",
    "CallerError",
    "Client",
    "ClientAnswer",
    "ClientSession",
    "CodeError",
    "Conflict",
    "DeployedFunction",
    "EngineClosed",
    "EnvironmentInfo",
    "Event",
    "Execution",
    "FileInfo",
    "FileMissing",
    "Forbidden",
    "InsituError",
    "InvalidRequest",
    "Invocation",
    "InvocationFailed",
    "IsolationUnavailable",
    "Limits",
    "NoUpstream",
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
    "Step",
    "StoreFailed",
    "Timings",
    "TokenUsage",
    "TooLarge",
    "Truncated",
    "Unauthorized",
    "UpstreamBusy",
    "UpstreamFailed",
    "UpstreamLoops",
    "UpstreamRefused",
    "UpstreamTimeout",
    "Usage",
    "WorkspaceFull",
    "__version__",
    "function",
    "tool",
]

_HOMES = {
    "Answer": "types",
    "AnswerEvent": "types",
    "AnswerFile": "types",
    "AsyncClient": "client",
    "AsyncClientAnswer": "client",
    "AsyncClientSession": "client",
    "AsyncSandbox": "local",
    "BatchItem": "types",
    "Called": "types",
    "Client": "client",
    "ClientAnswer": "client",
    "ClientSession": "client",
    "CodeError": "types",
    "DeployedFunction": "types",
    "EnvironmentInfo": "types",
    "Event": "types",
    "Execution": "types",
    "FileInfo": "types",
    "Invocation": "types",
    "Limits": "types",
    "Result": "types",
    "Sandbox": "local",
    "SessionInfo": "types",
    "Settings": "settings",
    "Step": "types",
    "Timings": "types",
    "TokenUsage": "types",
    "Truncated": "types",
    "Usage": "types",
    "function": "client",
    "tool": "tools",
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
