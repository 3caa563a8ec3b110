"""Names of members, which Google's clients write in two ways."""

from __future__ import annotations

import re
from typing import Any

from ...web.shapes import Json


def camel(name: str) -> str:
    """``code_execution`` as ``codeExecution``."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def member(value: Json, name: str) -> Any:
    """A member by its name in snake case, however it is written; None if it is not there."""
    found = value.get(camel(name))
    return value.get(name) if found is None else found


def has(value: Json, name: str) -> bool:
    """Whether a member is there; an empty one is."""
    return name in value or camel(name) in value
