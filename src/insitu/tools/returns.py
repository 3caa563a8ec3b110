"""What a tool returns, as its signature shows it to code."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import is_dataclass
from inspect import unwrap
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel

_LONGEST = 200
# What arrives as it is; all else that arrives is one of these.
_PLAIN = {"str", "int", "float", "bool", "complex", "bytes", "dict", "list", "set", "Decimal", "UUID"} | {
    "datetime", "date", "time", "timedelta", "ndarray", "Series", "DataFrame",
}  # fmt: skip
_ARRIVE_AS = {"tuple": "list", "Sequence": "list", "frozenset": "set", "Mapping": "dict", "bytearray": "bytes"}


def returned(function: Callable[..., Any]) -> str:
    """What code gets of a function's result, by its annotation; empty if it has none that can be read."""
    try:
        hints = get_type_hints(unwrap(function), include_extras=True)
    except Exception:
        return ""  # names that are there for type checkers alone, or what is no function
    text = _written(hints["return"]) if "return" in hints else ""
    return text if len(text) <= _LONGEST else "Any"


def _written(hint: Any) -> str:
    kind, inner = get_origin(hint), get_args(hint)
    if hint is None or hint is type(None):
        return "None"
    if kind is Annotated:
        return _written(inner[0])
    if kind is Literal:
        return f"Literal[{', '.join(map(repr, inner))}]"
    if kind in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(map(_written, inner)))
    if kind is not None:
        return _generic(_name(kind), [_written(each) for each in inner if each is not Ellipsis])
    return _name(hint)


def _generic(name: str, inner: list[str]) -> str:
    if name == "list":  # of a tuple, whatever is in it
        return f"list[{' | '.join(dict.fromkeys(inner))}]" if inner else name
    return f"{name}[{', '.join(inner)}]" if name in ("dict", "set") else name


def _name(kind: Any) -> str:
    if not isinstance(kind, type):
        return "Any"
    if is_dataclass(kind) or is_typeddict(kind) or issubclass(kind, BaseModel):
        return "dict"
    name = _ARRIVE_AS.get(kind.__name__, kind.__name__)
    return name if name in _PLAIN else "Any"
