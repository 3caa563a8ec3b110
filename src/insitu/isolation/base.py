"""What every tier of isolation offers the engine, whatever its wall is made of."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..types import Limits


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python and its packages.

    Args:
        python: the interpreter's path on the host.
        preimport: modules that are imported ahead; those that it lacks are passed over.
    """

    name: str
    python: Path
    preimport: tuple[str, ...] = ()


class Interpreter(ABC):
    """A process that runs user code, as the host holds it.

    Args:
        requests: the write end of what it reads frames from, not blocking. Pipes, and no sockets: user code could send
            descriptors through one, and the host would spend its time on closing them.
        answers: the read end of what it writes frames to, not blocking.
        stdout: the read end of its output, not blocking.
        stderr: the same of its errors.
        pidfd: readable once the process is dead.
    """

    requests: int
    answers: int
    stdout: int
    stderr: int
    pidfd: int

    @abstractmethod
    def signal(self, number: int) -> None:
        """Send a signal to it; nothing happens if it is dead."""

    @abstractmethod
    async def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None if nobody knows. Waits until it has ended."""

    def close(self) -> None:
        """Close the host's ends."""
        for fd in (self.requests, self.answers, self.stdout, self.stderr, self.pidfd):
            os.close(fd)


class Sandbox(ABC):
    """An isolated process tree with its own files and limits."""

    limits: Limits
    layers: Mapping[str, str]

    @abstractmethod
    async def start_interpreter(self) -> Interpreter:
        """Start another interpreter; the one before must be dead.

        Raises:
            SandboxFailed: if it did not come up.
        """

    @abstractmethod
    async def rehearse(self) -> None:
        """Let the interpreter that waits for its first code do what first code costs most.

        Raises:
            SandboxFailed: if it died of it.
        """

    @abstractmethod
    async def request(
        self, do: str, tail: bytes = b"", *, descriptors: Sequence[int] = (), **arguments: Any
    ) -> tuple[dict[str, Any], bytes]:
        """Ask the agent for something.

        Raises:
            AgentRefused: if it could not be done.
            SandboxFailed: if the agent is gone or does not answer.
        """

    @abstractmethod
    def oom_kills(self) -> int:
        """How many processes the kernel has killed for want of memory; 0 where it does not tell."""

    @abstractmethod
    def start_usage(self) -> None:
        """Begin to count usage anew."""

    @abstractmethod
    def usage(self) -> tuple[float | None, int | None]:
        """Processor seconds and peak of memory since then; None where the kernel does not tell."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether the sandbox still exists."""

    @abstractmethod
    async def wait_dead(self) -> None:
        """Return once it no longer exists; any number may wait."""

    @abstractmethod
    async def aclose(self) -> None:
        """End all of it; returns once nothing is left."""


class AgentRefused(Exception):
    """Raised when an agent could not do what was asked; ``errno`` is a name such as ``"ENOENT"``."""

    def __init__(self, errno: str, message: str) -> None:
        super().__init__(message)
        self.errno = errno


class Tier(ABC):
    """A kind of wall: an async context manager that makes sandboxes."""

    name: str
    layers: Mapping[str, str]

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Get ready to make sandboxes.

        Raises:
            IsolationUnavailable: if a layer of the wall is missing.
        """

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every sandbox."""

    @abstractmethod
    async def create(self, environment: str, limits: Limits) -> Sandbox:
        """Make a sandbox, with its first interpreter on the way.

        Raises:
            SandboxFailed: if it could not be made.
        """

    @abstractmethod
    def describe(self, environment: str) -> Mapping[str, Any]:
        """What a zygote said of its environment: ``python`` and ``preimported``."""
