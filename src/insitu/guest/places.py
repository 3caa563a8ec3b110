"""Where in a value one is, and the errors that say so."""

from __future__ import annotations

from typing import Any

# The key by which an object says what it stands for.
TYPE = "$type"
_LONGEST_KEY, _MOST_STEPS = 60, 20


class NotEncodable(TypeError):
    """Raised for a value that has no form in JSON; it says which, and where."""


class NotDecodable(ValueError):
    """Raised for JSON whose ``$type`` is unknown, or does not hold what it should."""


NotEncodable.__module__ = NotDecodable.__module__ = "builtins"


class Place:
    """A way into a value, from its root on.

    Args:
        root: what messages call the value.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.steps: list[Any] = []

    def __str__(self) -> str:
        steps = [_step(step) for step in self.steps]
        if len(steps) > _MOST_STEPS:
            steps[_MOST_STEPS // 2 : -_MOST_STEPS // 2] = ["…"]
        return self.root + "".join(steps)


class Attribute(str):
    """A step to what has no key."""


# A level of JSON that is none in Python.
INNER = Attribute("")


def _step(step: Any) -> str:
    if isinstance(step, Attribute):
        return str(step)
    text = repr(step)
    return f"[{text}]" if len(text) <= _LONGEST_KEY else f"[{text[:_LONGEST_KEY]}…]"
