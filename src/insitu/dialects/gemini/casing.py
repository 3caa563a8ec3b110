"""Names of members, which Google's clients write in two ways."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from ...web.shapes import Json


def camel(name: str) -> str:
    """``code_execution`` as ``codeExecution``."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


# Only for names that are written in this code: those of clients would be kept for good.
_spelled = cache(camel)


def member(value: Json, name: str) -> Any:
    """A member by its name in snake case, a constant, however it is written; None if it is not there."""
    found = value.get(_spelled(name))
    return value.get(name) if found is None else found


def has(value: Json, name: str) -> bool:
    """Whether a member of such a name is there; an empty one is."""
    return name in value or _spelled(name) in value
