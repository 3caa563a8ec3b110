"""What the code of one request may call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Self

from ...engine import RunningExecution, ToolSpec
from ...errors import InvalidRequest
from ...tools import Registry, Tool
from ...web.service import Service
from .models import SessionExecuteRequest

Start = AbstractAsyncContextManager[RunningExecution]


@dataclass(frozen=True, slots=True)
class Granted:
    """Tools of the server, and functions of the client."""

    registry: Registry
    tools: Sequence[Tool]
    functions: Sequence[ToolSpec]

    @classmethod
    def read(cls, service: Service, asked: SessionExecuteRequest) -> Self:
        """What a request asks for.

        Raises:
            InvalidRequest: if there is no such tool, two have the same name, or parameters are no schema.
        """
        tools = service.tools.grant(asked.tools)
        taken = {tool.name for tool in tools}
        for function in asked.client_tools:
            if function.name in taken:
                raise InvalidRequest(f"client_tools: there is a tool {function.name!r} already")
            taken.add(function.name)
        return cls(service.tools, tools, [function.spec() for function in asked.client_tools])

    @property
    def specs(self) -> list[ToolSpec]:
        """All of them as code sees them."""
        return [*(tool.spec() for tool in self.tools), *self.functions]

    def answering(self, start: Start, owner: str) -> Start:
        """The execution, with its calls of the server's tools answered."""
        return self._answering(start, owner) if self.tools else start

    @asynccontextmanager
    async def _answering(self, start: Start, owner: str) -> AsyncIterator[RunningExecution]:
        async with start as running:
            self.registry.attend(running, self.tools, owner)
            yield running
