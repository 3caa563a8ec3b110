"""What calls of functions take across, and bring back: Python values on this side, JSON on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .errors import InvalidRequest
from .guest.encoder import Encoder
from .guest.places import NotDecodable, NotEncodable
from .guest.values import decode
from .types import MIB, CallResult, CodeError, Invocation

Returned = TypeVar("Returned", CallResult, Invocation)

# More than any server takes.
_MOST_BYTES = 1024 * MIB


def arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as requests carry them.

    Raises:
        InvalidRequest: if one has no form in JSON; it says which, and where.
    """
    return {
        "args": [_encoded(value, f"args[{index}]") for index, value in enumerate(args)],
        "kwargs": {name: _encoded(value, f"kwargs[{name!r}]") for name, value in kwargs.items()},
    }


def inputs(items: Iterable[Any], star: bool) -> list[Any]:
    """The inputs of a map as requests carry them; with ``star`` each is several arguments, or named ones.

    Raises:
        InvalidRequest: if one has no form in JSON, or with ``star`` is neither.
    """
    made = []
    for index, item in enumerate(items):
        name = f"inputs[{index}]"
        if star and isinstance(item, Mapping):
            made.append({key: _encoded(value, f"{name}[{key!r}]") for key, value in item.items()})
        elif star and not isinstance(item, list | tuple):
            raise InvalidRequest(f"{name}: with star, each input is a list, a tuple or a dict, and this is none")
        else:
            made.append(_encoded(item, name))
    return made


def returned(called: Returned) -> Returned:
    """A call whose result is the value that its JSON stands for."""
    try:
        return replace(called, result=decode(called.result, "the result"))
    except NotDecodable as error:
        return replace(called, result=None, outcome="error", error=CodeError("NotDecodable", str(error)))


def value_of(body: Any) -> Any:
    """The value that JSON stands for.

    Raises:
        NotDecodable: if it stands for none.
    """
    return decode(body, "the value")


def body_of(value: Any) -> Any:
    """A value as JSON.

    Raises:
        InvalidRequest: if it has no form; it says which, and where.
    """
    return _encoded(value, "the value")


def _encoded(value: Any, name: str) -> Any:
    try:
        return Encoder(_MOST_BYTES, name).encode(value)
    except NotEncodable as error:
        raise InvalidRequest(str(error)) from None
