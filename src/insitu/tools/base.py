"""What a tool is, whatever its source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..engine import ToolSpec
from ..signatures import TIMEOUT_S
from ..types import MIB
from .arguments import Arguments
from .places import Place
from .rates import Rate


@dataclass(frozen=True, slots=True)
class Bounds:
    """What each call of a tool may take.

    Args:
        timeout_s: until its answer is there, in seconds; twice as long it may wait for its turn.
        max_bytes: of its result, as JSON.
        rate: how often one key may call it.
        at_once: calls that run side by side, of all keys together; others wait for them, and keys take turns.
    """

    timeout_s: float = TIMEOUT_S
    max_bytes: int = MIB
    rate: Rate | None = None
    at_once: int = 32


class Tool(ABC):
    """A function of the host.

    Args:
        parameters: the JSON schema of its arguments.
        source: where it comes from: ``python``, or ``mcp:`` and the name of a server.
        returns: the type of what code gets, as text; empty if nobody knows.
    """

    def __init__(
        self,
        name: str,
        description: str,
        parameters: Mapping[str, Any],
        source: str,
        bounds: Bounds,
        returns: str = "",
    ) -> None:
        self.name = name
        self.description = description
        self.parameters = parameters
        self.source = source
        self.bounds = bounds
        self.returns = returns
        self.arguments = Arguments(name, parameters)

    def spec(self) -> ToolSpec:
        """The tool as code sees it."""
        return ToolSpec(self.name, self.description, self.parameters, prepare=self.arguments, returns=self.returns)

    @abstractmethod
    async def call(self, arguments: Mapping[str, Any], place: Place) -> Any:
        """What it answers, in JSON's types; whatever it raises is the caller's to hear.

        Args:
            place: the call's, to be kept by what may outlive it.
        """
