"""The functions of a client, which code may call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import ToolSpec
from ..errors import InvalidRequest
from .arguments import Arguments

_MOST, _MOST_BYTES, _MOST_PATTERNS = 128, 256 * 1024, 64
# To count one takes some 4 microseconds.
_MOST_STEPS = 20_000


class ClientTools:
    """Makes the tools of one request: the execution is paused until the client answers their calls.

    To make their schemas ready takes time on the event loop, and memory as long as the code runs: so all of them
    together have bounds.
    """

    def __init__(self) -> None:
        self.specs: list[ToolSpec] = []
        self._bytes = self._patterns = self._steps = 0

    def add(self, name: str, description: str, parameters: Mapping[str, Any]) -> None:
        """Make one more.

        Raises:
            InvalidRequest: if the parameters are no JSON schema of an object, or all together are too much.
            TooLarge: if the schema is too long.
        """
        if len(self.specs) >= _MOST:
            raise InvalidRequest(f"there are more than {_MOST} functions for code", hint="leave some out")
        arguments = Arguments(name, parameters, _MOST_STEPS - self._steps)
        self._steps += arguments.checker.steps
        self._bytes += arguments.checker.size + len(description)
        self._patterns += arguments.checker.patterns
        if self._bytes > _MOST_BYTES or self._patterns > _MOST_PATTERNS:
            raise InvalidRequest(
                f"the descriptions and parameters of all functions for code together have more than {_MOST_BYTES} "
                f"bytes, or more than {_MOST_PATTERNS} patterns",
                hint="leave some functions out, or make their schemas simpler",
            )
        self.specs.append(ToolSpec(name, description, parameters, pauses=True, prepare=arguments))
