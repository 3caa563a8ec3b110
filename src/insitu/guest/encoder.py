"""Python values to JSON's types."""

from __future__ import annotations

import math
from typing import Any

from .forms import FORMS, NAMES, STAND_INS, Unfit
from .places import INNER, TYPE, Attribute, NotEncodable, Place

# As deep as any honest value, and far from where Python's own functions give up.
_DEEPEST = 100
# Numbers that every reader of JSON has.
_INT = 1 << 63
_MOST_BITS = 100_000
# The host drops what holds a few more.
_MOST_VALUES, _MOST_CONTAINERS = 400_000, 90_000

Json = Any


class Encoder:
    """Turns one value into what ``json`` can write.

    Args:
        most_bytes: about as much as its JSON may have.
        name: what messages call it.
    """

    def __init__(self, most_bytes: int, name: str = "the value") -> None:
        self._most_bytes = most_bytes
        self._bytes = self._values = self._containers = 0
        self._place = Place(name)
        self._steps = self._place.steps

    def encode(self, value: Any) -> Json:
        """The value in JSON's types.

        Raises:
            NotEncodable: if it, or something in it, has no form, or it is too much.
        """
        try:
            return self._encode(value)
        except Unfit as unfit:
            raise NotEncodable(f"{self._place} {unfit}") from None

    def _encode(self, value: Any) -> Json:
        if isinstance(value, str):
            return self._text(value)
        self._spend(8, 1)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int(value) if -_INT <= value < _INT else self._whole(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else self._tagged("float", float(value))
        if len(self._steps) >= _DEEPEST:
            raise Unfit(f"is nested deeper than {_DEEPEST} levels, or holds itself")
        if isinstance(value, (list, tuple)):
            return self._list(value)
        if isinstance(value, dict):
            return self._mapping(value)
        return self._other(value)

    def _text(self, value: str) -> Json:
        self._spend(len(value), 1)
        text = str.__str__(value)
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise Unfit("is text with half a character, which JSON cannot carry; make it bytes") from None
        return text

    def _whole(self, value: int) -> Json:
        if value.bit_length() > _MOST_BITS:
            raise Unfit(f"is a number of {value.bit_length()} bits; at most {_MOST_BITS} cross")
        return self._tagged("int", int(value))

    def _list(self, value: Any) -> Json:
        self._open()
        self.check(len(value), len(value))
        made = []
        self._steps.append(0)
        for index, item in enumerate(value):
            self._steps[-1] = index
            made.append(self._encode(item))
        self._steps.pop()
        return made

    def _mapping(self, value: dict[Any, Any]) -> Json:
        self._open()
        self.check(len(value), 2 * len(value))
        if not all(isinstance(key, str) for key in value) or TYPE in value:
            return self._pairs(value)
        made = {}
        self._steps.append("")
        for key, item in value.items():
            self._steps[-1] = key
            made[self._text(key)] = self._encode(item)
        self._steps.pop()
        return made

    def _pairs(self, value: dict[Any, Any]) -> Json:
        pairs = []
        self._steps += (INNER, INNER, "")
        for key, item in value.items():
            self._open()
            self._steps[-1] = key
            pairs.append([self._encode(key), self._encode(item)])
        del self._steps[-3:]
        return {TYPE: "dict", "items": pairs}

    def _other(self, value: Any) -> Json:
        for kind in type(value).__mro__:
            name = f"{kind.__module__}.{kind.__qualname__}"
            if name in NAMES:
                return self._tagged(NAMES[name], value)
            if name in STAND_INS:
                self._steps.append(INNER)
                made = self._encode(STAND_INS[name](value))
                self._steps.pop()
                return made
        raise Unfit(
            f"is of type {_name(type(value))}, which has no form in JSON; "
            "make it numbers, text, bytes, dates, lists, dicts, sets, numpy arrays or pandas frames"
        )

    def _tagged(self, name: str, value: Any) -> Json:
        self._open()
        form = FORMS[name]
        made: dict[str, Json] = {TYPE: name}
        fields = form.write(value, self.check)
        self._steps.append(INNER)
        for field, part in zip(form.fields, fields):
            self._steps[-1] = Attribute(f".{field}")
            made[field] = self._encode(part)
        self._steps.pop()
        return made

    def _open(self) -> None:
        self._containers += 1
        if self._containers > _MOST_CONTAINERS:
            raise Unfit(f"is too much: all of it holds more than {_MOST_CONTAINERS} lists and dicts")

    def _spend(self, size: int, values: int) -> None:
        self.check(size, values)
        self._bytes += size
        self._values += values

    def check(self, size: int, values: int) -> None:
        """Refuse what is too much before it is copied."""
        if self._bytes + size > self._most_bytes:
            raise Unfit(f"is too much: all of it has more than {self._most_bytes} bytes as JSON; write it to a file")
        if self._values + values > _MOST_VALUES:
            raise Unfit(f"is too much: all of it holds more than {_MOST_VALUES} values; write it to a file")


def _name(kind: type) -> str:
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
