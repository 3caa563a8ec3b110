"""Arguments of calls: from the forms that code's values have to plain JSON, checked before anybody hears of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..engine import ToolFailure
from ..errors import InvalidRequest, TooLarge
from ..schemas import Checker

# As guest/places.py has it.
_TYPE = "$type"
# Digits of a number, in bits: turning more into text takes long.
_MOST_BITS = 4096
_TEXTS = {"bytes": "base64", "datetime": "iso", "date": "iso", "time": "iso", "decimal": "value", "uuid": "value"}
_WAYS = {
    "ndarray": "pass array.tolist()",
    "series": "pass series.tolist()",
    "dataframe": 'pass frame.to_dict("records")',
    "complex": "pass its real and imag",
    "dict": "its keys must be strings",
}


class Arguments:
    """Takes the arguments of one tool.

    Args:
        name: the tool's.
        schema: JSON schema of its arguments, an object.

    Raises:
        InvalidRequest: if that is no such schema, or a dangerous one.
    """

    def __init__(self, name: str, schema: Mapping[str, Any]) -> None:
        if schema.get("type", "object") != "object":
            raise InvalidRequest(f"the parameters of {name!r} are of type {schema['type']!r}; it must be 'object'")
        self._name = name
        self._checker = Checker(dict(schema))

    def __call__(self, arguments: dict[str, Any]) -> dict[str, Any] | ToolFailure:
        """The arguments as plain JSON, or why they are none of the schema's."""
        try:
            made = {name: _plain(value, name) for name, value in arguments.items()}
            self._checker.check(made)
        except (InvalidRequest, TooLarge) as error:
            return ToolFailure("ValueError", f"{self._name}: {error.message}")
        return made


def _plain(value: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, float) and math.isinf(value):  # a number such as 1e999, which is checked as null
        raise InvalidRequest(f"{path}: JSON has no {value}; pass None, or a string")
    if not isinstance(value, dict):
        return value
    if _TYPE not in value:
        return {name: _plain(item, f"{path}.{name}") for name, item in value.items()}
    kind = str(value[_TYPE])
    if kind in _TEXTS:
        return _part(value, _TEXTS[kind], str, path)
    if kind == "set":
        return _plain(_part(value, "items", list, path), path)
    if kind == "int":
        return _number(_part(value, "value", str, path), path)
    if kind == "float":
        return _infinity(_part(value, "value", str, path), path)
    if kind == "timedelta":
        return _duration(_part(value, "microseconds", int, path))
    raise InvalidRequest(f"{path}: a tool takes no {kind[:40]}; {_WAYS.get(kind, 'it takes what JSON has')}")


def _part(value: Mapping[str, Any], name: str, kind: type, path: str) -> Any:
    part = value.get(name)
    if type(part) is not kind:
        raise InvalidRequest(f"{path}: its {_TYPE} has no {name}")
    return part


def _number(text: str, path: str) -> int:
    if len(text) > _MOST_BITS // 4:
        raise InvalidRequest(f"{path}: the number has more than {_MOST_BITS} bits")
    try:
        return int(text, 16)
    except ValueError:
        raise InvalidRequest(f"{path}: this is no number") from None


def _infinity(text: str, path: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    raise InvalidRequest(f"{path}: JSON has no {text[:8]}; pass None, or a string")


def _duration(microseconds: int) -> str:
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    return f"{'-' if microseconds < 0 else ''}PT{seconds}.{rest:06}S"
