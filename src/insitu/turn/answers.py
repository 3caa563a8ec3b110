"""What clients answer the calls that code makes of their functions."""

from __future__ import annotations

import json
from typing import Any

from ..guest import protocol


def as_value(text: str) -> Any:
    """The value of an answer: what its JSON says, or the text itself if it is none."""
    try:
        value = json.loads(text, parse_int=protocol.bounded_int)
    except (ValueError, RecursionError):
        return text
    return text if protocol.is_deep([value]) else value
