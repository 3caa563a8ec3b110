"""How dataclasses become JSON and come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def known(cls: Any, body: Mapping[str, Any]) -> Any:
    """A dataclass of the keys that it knows; others are passed over."""
    return cls(**{name: body[name] for name in cls.__dataclass_fields__ if name in body})


def shallow(value: Any) -> dict[str, Any]:
    """A dataclass as a mapping; its values are not copied."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
