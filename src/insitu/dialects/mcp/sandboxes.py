"""What the tools of MCP work on: the sandboxes of one owner."""

from __future__ import annotations

from dataclasses import dataclass

from ...engine import Engine, Session
from ...settings import Settings


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """The sandboxes of one owner."""

    engine: Engine
    settings: Settings
    owner: str = ""

    def session(self, session_id: str) -> Session:
        """The owner's session of this id.

        Raises:
            SessionNotFound: if there is none.
        """
        return self.engine.session(session_id, owner=self.owner)
