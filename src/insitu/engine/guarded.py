"""A session's sandbox, which may end at any moment: wished by somebody, or because it has died."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import SandboxFailed, SessionNotFound
from ..isolation.base import Sandbox


@dataclass(frozen=True, slots=True)
class End:
    """Why a session ended, and whether that was wished: otherwise its sandbox had died."""

    reason: str
    wished: bool


class GuardedSandbox:
    """A session's sandbox; whoever uses it after the session's end is told of that."""

    def __init__(self, session_id: str, sandbox: Sandbox) -> None:
        self.end: End | None = None
        self._session_id = session_id
        self._sandbox = sandbox

    def check_open(self) -> None:
        """Raise SessionNotFound if the session has ended."""
        if self.end is not None:
            raise SessionNotFound(self._session_id, self.end.reason)

    def living(self) -> Sandbox:
        """The sandbox.

        Raises:
            SessionNotFound: if somebody has ended the session.
            SandboxFailed: if the sandbox has died.
        """
        self._check_not_wished()
        if not self._sandbox.alive:
            raise SandboxFailed(f"the sandbox of the session {self._session_id} has died")
        return self._sandbox

    async def ask(self, do: str, tail: bytes = b"", **arguments: Any) -> tuple[dict[str, Any], bytes]:
        """Ask its agent to do something; raises as :meth:`living` does, and AgentRefused."""
        try:
            return await self.living().request(do, tail, **arguments)
        except SandboxFailed:
            self._check_not_wished()
            raise

    def _check_not_wished(self) -> None:
        if self.end is not None and self.end.wished:
            self.check_open()
