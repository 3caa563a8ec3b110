"""Arguments of calls: from the forms that code's values have to plain JSON, checked before anybody hears of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..engine import ToolFailure
from ..errors import InvalidRequest, TooLarge
from ..guest.forms import FORMS
from ..guest.places import TYPE
from ..schemas import MOST_STEPS, Checker, place

# Digits of a number, in bits: turning more into text takes long.
_MOST_BITS = 4096
# Of the forms that a tool takes as plain JSON, those that are one text.
_TEXTS = {"bytes", "datetime", "date", "time", "decimal", "uuid"}
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
        most_steps: that a check of them may take, where that is less than any schema may.

    Raises:
        InvalidRequest: if that is no such schema, or a dangerous one.
    """

    def __init__(self, name: str, schema: Mapping[str, Any], most_steps: int = MOST_STEPS) -> None:
        if schema.get("type", "object") != "object":
            raise InvalidRequest(f"the parameters of {name!r} are of type {schema['type']!r}; it must be 'object'")
        self._name = name
        self.checker = Checker(dict(schema), most_steps)

    def __call__(self, arguments: dict[str, Any]) -> dict[str, Any] | ToolFailure:
        """The arguments as plain JSON, or why they are none of the schema's."""
        try:
            made = {name: _at(name, value) for name, value in arguments.items()}
            self.checker.check(made)
        except _Unfit as unfit:
            return ToolFailure("ValueError", f"{self._name}: {place(unfit.path[::-1])}: {unfit.why}")
        except (InvalidRequest, TooLarge) as error:
            return ToolFailure("ValueError", f"{self._name}: {error.message}")
        return made


class _Unfit(Exception):
    """Raised for a value that has no form in plain JSON; its path is put together only then, from its end."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.path: list[str | int] = []


def _at(part: str | int, value: Any) -> Any:
    try:
        return _plain(value)
    except _Unfit as unfit:
        unfit.path.append(part)
        raise


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_at(index, item) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):  # a number such as 1e999
        raise _Unfit(f"JSON has no {value}; pass None, or a string")
    if not isinstance(value, dict):
        return value
    if TYPE not in value:
        return {name: _at(name, item) for name, item in value.items()}
    kind = str(value[TYPE])
    if kind in _TEXTS:
        return _field(value, kind, str)
    if kind == "set":
        return _plain(_field(value, kind, list))
    if kind == "int":
        return _number(_field(value, kind, str))
    if kind == "float":
        return _infinity(_field(value, kind, str))
    if kind == "timedelta":
        return _duration(_field(value, kind, int))
    raise _Unfit(f"a tool takes no {kind[:40]}; {_WAYS.get(kind, 'it takes what JSON has')}")


def _field(value: Mapping[str, Any], kind: str, of: type) -> Any:
    """What a form of one field has in it."""
    [name] = FORMS[kind].fields
    part = value.get(name)
    if type(part) is not of:
        raise _Unfit(f"its {TYPE} has no {name}")
    return part


def _number(text: str) -> int:
    if len(text) > _MOST_BITS // 4:
        raise _Unfit(f"the number has more than {_MOST_BITS} bits")
    try:
        return int(text, 16)
    except ValueError:
        raise _Unfit("this is no number") from None


def _infinity(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    raise _Unfit(f"JSON has no {text[:8]}; pass None, or a string")


def _duration(microseconds: int) -> str:
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    return f"{'-' if microseconds < 0 else ''}PT{seconds}.{rest:06}S"
