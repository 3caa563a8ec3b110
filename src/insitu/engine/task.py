"""What an execution is to do: run code, or call a function, with the tools that it may call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .answers import ToolFailure
from .workspace import NewFile


@dataclass(frozen=True, slots=True)
class Call:
    """A function that is to be called, in place of code that is to be run.

    Args:
        source: a lambda, or code that ends in a function; empty if ``handler`` names one.
        handler: ``module.name`` of a function among the session's files.
        arguments: JSON: ``{"args": [...], "kwargs": {...}}``, in the forms of ``guest/values.py``.
    """

    source: str
    handler: str | None
    arguments: bytes

    def request(self) -> dict[str, Any]:
        """What the interpreter is told of it."""
        return {"handler": self.handler, "source_bytes": len(self.source.encode())}


Prepare = Callable[[dict[str, Any]], dict[str, Any] | ToolFailure]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as code sees it.

    Args:
        parameters: the JSON schema of its arguments, an object.
        pauses: whether the execution's clock stands still until the answer is there: it comes from the client.
        prepare: makes of the arguments that code gives those that the call has, or says why it may not be.
        returns: the type of what it returns, as text; empty if nobody knows.
    """

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    pauses: bool = False
    prepare: Prepare | None = None
    returns: str = ""

    def declaration(self) -> dict[str, Any]:
        """What the interpreter is told of it."""
        about = {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}
        return {**about, "returns": self.returns} if self.returns else about


@dataclass(frozen=True, slots=True)
class FileUpload:
    """A new file whose content is in memory."""

    path: str
    content: bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content, in one piece."""
        yield self.content


@dataclass(frozen=True, slots=True)
class Task:
    """What one execution is to do: run code, or call a function."""

    what: str | Call
    timeout_s: float
    grace_s: float
    env_vars: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[NewFile] = ()
    return_files: Sequence[str] = ()
    tools: Sequence[ToolSpec] = ()
    tool_wait_s: float = 0.0

    def request(self) -> dict[str, Any]:
        """What the interpreter is told of it, besides its tail."""
        request: dict[str, Any] = {"env_vars": dict(self.env_vars)}
        if isinstance(self.what, Call):
            request["call"] = self.what.request()
        if self.tools:
            request["tools"] = [tool.declaration() for tool in self.tools]
        return request

    def tail(self) -> bytes:
        """The code, or a function's source and its arguments."""
        return self.what.encode() if isinstance(self.what, str) else self.what.source.encode() + self.what.arguments
