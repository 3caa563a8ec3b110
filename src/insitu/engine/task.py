"""What an execution is to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .calling import Call, ToolSpec
from .workspace import NewFile


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
