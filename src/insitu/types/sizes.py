"""Numbers of bytes, as people write them."""

from __future__ import annotations

import re

MIB = 1 << 20
GIB = 1 << 30

_UNITS = "kmgt"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?|b)?", re.ASCII)


def parse_size(text: str) -> int:
    """The bytes in a size such as ``512m``, ``1.5g`` or ``65536``; a unit is a power of 1024.

    Raises:
        ValueError: if it is none.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"{text!r} is no size: write it like 512m, 1.5g or 65536")
    number, unit = match.groups()
    return int(float(number) * 1024 ** (_UNITS.index(unit) + 1 if unit else 0))
