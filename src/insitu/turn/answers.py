"""What clients answer the calls that code makes of their functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..engine import ToolFailure
from ..engine.answers import MOST_BYTES
from ..guest import protocol
from ..heavy import heavy


@dataclass(frozen=True, slots=True)
class AnswerText:
    """An answer as it came: whether any code waits for it is seen before it is read."""

    text: str

    async def value(self) -> Any:
        """What its JSON says, or the text itself if it is none; a ``ToolFailure`` if it is too long."""
        if len(self.text) > MOST_BYTES:
            said = f"the answer has {len(self.text)} characters; at most {MOST_BYTES} go"
            return ToolFailure("MemoryError", said)
        return await heavy(len(self.text), _value, self.text)


def _value(text: str) -> Any:
    try:
        value = json.loads(text, parse_int=protocol.bounded_int)
    except (ValueError, RecursionError):
        return text
    return text if protocol.is_deep([value]) else value
