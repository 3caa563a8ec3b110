"""Python values as JSON and back, for what crosses between programs: arguments, results, what tools are given.

JSON's own types are themselves, a tuple is a list, and every other type has one form: an object whose ``$type`` names
it. What has none is refused by its name. Nothing here ever runs code that the JSON brings along.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from .decoder import Decoder
from .encoder import Encoder
from .places import NotDecodable as NotDecodable
from .places import NotEncodable as NotEncodable

MIME = "application/vnd.insitu.value+json"

# The host counts these in strings, too, where there are so many strings.
_MOST_QUOTES, _MOST_COMMAS, _MOST_BRACKETS = 1_000_000, 500_000, 100_000

Json = Any
_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def prepare() -> None:
    """Load, before the fork, what values of the packages that are there need."""
    for package, ours in (("numpy", ".arrays"), ("pandas", ".frames")):
        if package in sys.modules:
            importlib.import_module(ours, __package__)


def within(value: Any, most_bytes: int) -> Json:
    """A value in JSON's types, if its JSON has no more than so many bytes.

    Raises:
        NotEncodable: if it, or something in it, has no form, or it is too much.
    """
    return _within(value, most_bytes)[0]


def dumps(value: Any, most_bytes: int = 1 << 62) -> str:
    """A value as JSON.

    Raises:
        NotEncodable: if it, or something in it, has no form, or it is too much.
    """
    return _within(value, most_bytes)[1]


def _within(value: Any, most_bytes: int) -> tuple[Json, str]:
    encoded = Encoder(most_bytes).encode(value)
    text = _dumps(encoded)
    size = len(text.encode())
    if size > most_bytes:
        raise NotEncodable(f"the value is too much: {size} bytes as JSON; at most {most_bytes} cross")
    commas, brackets = text.count(","), text.count("[") + text.count("{")
    if text.count('"') >= _MOST_QUOTES and (commas > _MOST_COMMAS or brackets > _MOST_BRACKETS):
        raise NotEncodable(
            f"the value is too much: {text.count(chr(34))} quotes, {commas} commas and {brackets} brackets; "
            f"of what has {_MOST_QUOTES} quotes, {_MOST_COMMAS} commas and {_MOST_BRACKETS} brackets cross; "
            "write it to a file"
        )
    return encoded, text


def decode(value: Json, name: str = "the value") -> Any:
    """The value that JSON's types stand for.

    Args:
        name: what messages call it.

    Raises:
        NotDecodable: for a ``$type`` that is unknown or does not hold what it should.
    """
    return Decoder(name).decode(value)
