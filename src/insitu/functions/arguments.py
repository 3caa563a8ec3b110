"""The arguments of calls, as a sandbox reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.calling import MOST_BYTES
from ..errors import InvalidRequest, TooLarge

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_FORM = b'{"args":[%b],"kwargs":{%b}}'
_FORM_BYTES = len(_FORM % (b"", b""))


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments of a map's calls: what all share is there once, and a call's are put together when asked for.

    Args:
        own: what each call has of its own, encoded: elements of ``args``, and members of ``kwargs``.
        args: elements that all have behind their own, encoded.
        kwargs: members that all have, encoded.
    """

    own: list[tuple[bytes, bytes]]
    args: bytes
    kwargs: bytes

    def __len__(self) -> int:
        return len(self.own)

    def __getitem__(self, index: int) -> bytes:
        args, kwargs = self.own[index]
        # Of two members with one name a reader of JSON takes the last: a call's own.
        return _FORM % (_joined(args, self.args), _joined(self.kwargs, kwargs))

    def size(self, index: int) -> int:
        """How many bytes a call's arguments have."""
        args, kwargs = self.own[index]
        commas = bool(args and self.args) + bool(kwargs and self.kwargs)
        return _FORM_BYTES + len(args) + len(self.args) + len(self.kwargs) + len(kwargs) + commas


def arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """Arguments as a sandbox reads them.

    Raises:
        InvalidRequest: if one is no JSON.
    """
    return _FORM % (_inside(args), _inside(kwargs))


def spread(items: Sequence[Any], args: Sequence[Any], kwargs: Mapping[str, Any], star: bool) -> Inputs:
    """The arguments for each input of a map: the input comes first.

    Args:
        star: whether a list is several arguments, and an object named ones.

    Raises:
        InvalidRequest: if one is no JSON, or with ``star`` is neither.
        TooLarge: if those of one call are too many bytes.
    """
    made = Inputs([], _inside(args), _inside(kwargs))
    for index, item in enumerate(items):
        made.own.append(_starred(index, item) if star else (_inside([item]), b""))
        if (size := made.size(index)) > MOST_BYTES:
            raise _too_large(index, size)
    return made


def _starred(index: int, item: Any) -> tuple[bytes, bytes]:
    if isinstance(item, list):
        return _inside(item), b""
    if isinstance(item, dict):
        return b"", _inside(item)
    raise InvalidRequest(f"map.{index}: with star, each input is a list or an object, and this is neither")


def _inside(values: Sequence[Any] | Mapping[str, Any]) -> bytes:
    try:
        return _encode(values)[1:-1].encode()
    except ValueError:
        raise InvalidRequest(
            "an argument holds NaN or Infinity, which JSON does not have",
            hint='send {"$type": "float", "value": "nan"}; the forms of values are described in docs/lambda.md',
        ) from None


def _joined(first: bytes, second: bytes) -> bytes:
    return b"%b,%b" % (first, second) if first and second else first or second


def _too_large(index: int, size: int) -> TooLarge:
    return TooLarge(
        f"map.{index}: the arguments of this call have {size} bytes; {MOST_BYTES} is the most",
        hint="put large data into a file of a session",
    )
