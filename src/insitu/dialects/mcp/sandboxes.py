"""What the tools of MCP work on: the sandboxes of one owner."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from ...engine import Engine, RunningExecution, Session
from ...settings import Settings
from ...tools import Grant, Registry


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """The sandboxes of one owner.

    Args:
        registry: the tools that code may call.
    """

    engine: Engine
    settings: Settings
    registry: Registry
    owner: str = ""

    def session(self, session_id: str) -> Session:
        """The owner's session of this id.

        Raises:
            SessionNotFound: if there is none.
        """
        return self.engine.session(session_id, owner=self.owner)

    def grant(self) -> Grant:
        """What code may call: what the operator gives the code of turns."""
        return self.registry.grant(self.registry.there(self.settings.turn_tools))

    def answering(
        self, start: AbstractAsyncContextManager[RunningExecution], grant: Grant
    ) -> AbstractAsyncContextManager[RunningExecution]:
        """An execution whose calls of tools are answered."""
        return self.registry.answering(start, grant, self.owner) if grant else start
