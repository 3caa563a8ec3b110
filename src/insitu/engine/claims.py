"""What guests claim: none of it has a type before that is made sure of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard, TypeVar

from ..errors import SandboxFailed

Kind = TypeVar("Kind")


def is_a(value: object, kind: type[Kind]) -> TypeGuard[Kind]:
    """Whether it is of a type; for Python true and false are numbers, too, and here they are none."""
    return isinstance(value, kind) and not isinstance(value, bool)


def number(value: object, least: float, most: float) -> float:
    """A number as it was claimed; 0 if it is none, or out of bounds."""
    return float(value) if (is_a(value, int) or is_a(value, float)) and least <= value <= most else 0.0


def told(reply: Mapping[str, Any], name: str, kind: type[Kind]) -> Kind:
    """What a sandbox's agent tells under a name.

    Raises:
        SandboxFailed: if it does not, or it is of another type.
    """
    value = reply.get(name)
    if not is_a(value, kind):
        raise SandboxFailed(f"the sandbox's agent answered with no {name}")
    return value
