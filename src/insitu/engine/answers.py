"""What tools answer: as the interpreter gets it, and as the log tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..guest import protocol
from ..types import MIB

# Of one call's arguments or answer.
MOST_BYTES = 8 * MIB
# What the log keeps of one answer, of all those of an execution, and of each that comes after.
_MOST_TOLD, _MOST_TOLD_TOGETHER, _LEAST_TOLD = 16 * 1024, 4 * MIB, 200


@dataclass(frozen=True, slots=True)
class ToolFailure:
    """What code gets in place of a value.

    Args:
        name: of the exception; one of Python's own is raised as that.
    """

    name: str
    message: str


def encoded(answer: object) -> bytes:
    """An answer as the interpreter gets it; one that it cannot get has become a failure."""
    try:
        body = {"value": answer} if not isinstance(answer, ToolFailure) else _failure(answer)
        text = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError) as error:
        return encoded(ToolFailure("TypeError", f"the tool's answer has no form in JSON: {error}"[:_MOST_TOLD]))
    if len(text) > MOST_BYTES:
        return encoded(ToolFailure("MemoryError", f"the tool's answer has {len(text)} bytes; at most {MOST_BYTES} go"))
    return text


class Telling:
    """What the log of an execution tells of answers: it is there for people to read."""

    def __init__(self) -> None:
        self._left = _MOST_TOLD_TOGETHER

    def of(self, text: bytes) -> dict[str, Any]:
        """An encoded answer, or its beginning."""
        most = min(_MOST_TOLD, max(self._left, _LEAST_TOLD))
        self._left -= min(len(text), most)
        if len(text) > most:
            return {"clipped": text[:most].decode("utf-8", "replace")}
        return protocol.parse_object(text)


def _failure(failure: ToolFailure) -> dict[str, Any]:
    return {"error": {"name": failure.name, "message": failure.message}}
