"""What tools return, in JSON's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from ..guest import values


def encoded(value: Any, most_bytes: int) -> Any:
    """A result in the forms of values.

    Raises:
        NotEncodable: if it, or something in it, has none, or it is too much.
    """
    return values.within(_opened(value), most_bytes)


def _opened(value: Any) -> Any:
    """A value whose models and dataclasses are dicts."""
    if isinstance(value, BaseModel):
        return _opened({name: getattr(value, name) for name in type(value).model_fields})
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _opened(getattr(value, field.name)) for field in fields(value)}
    if type(value) in (list, tuple):
        return [_opened(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _opened(item) for name, item in value.items()}
    return value
