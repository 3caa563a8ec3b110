"""How much memory the parse of a JSON body takes at the most, told from its bytes before it is parsed."""

from __future__ import annotations

# The most that was measured of pydantic's parse, with the tree that it makes before there are Python's objects;
# see docs/decisions.md. Whatever stands in a list or an object has a comma or a bracket of its own.
_BYTES_OF = {b"{": 384, b"[": 160, b",": 96, b":": 32}
_STRING_BYTES = 64
# For less, and for more strings, what they hold is weighed as if it were JSON: it is not worth the time.
_SMALL_BYTES = 4096
_MOST_QUOTES = 200_000
# How UTF-8 and JSON write characters past U+FFFF: a string that has one takes four bytes for each of its characters.
_WIDEST = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4", rb"\ud", rb"\uD")


def weigh(content: bytes) -> int:
    """The most bytes of memory that a body becomes; what is no JSON has some weight, too."""
    quotes = content.count(b'"')
    if len(content) <= _SMALL_BYTES or quotes > _MOST_QUOTES:
        return _structure(content) + (quotes + 1) // 2 * _STRING_BYTES + len(content) * _width(content)
    outside, strings = _parted(content)
    return _structure(outside) + len(outside) + strings


def _structure(content: bytes) -> int:
    return sum(content.count(mark) * size for mark, size in _BYTES_OF.items())


def _parted(content: bytes) -> tuple[bytes, int]:
    """What stands outside of strings, and what the strings take."""
    outside: list[bytes] = []
    taken = length = width = 0
    for piece in content.split(b'"'):
        if not width:
            outside.append(piece)
            width = 1
            continue
        length += len(piece) + 1
        width = max(width, _width(piece))
        if not _escapes(piece):
            taken += length * width + _STRING_BYTES
            length = width = 0
    return b"".join(outside), taken + length * width


def _escapes(piece: bytes) -> bool:
    """Whether the quote behind it is a part of its string."""
    return piece.endswith(b"\\") and (len(piece) - len(piece.rstrip(b"\\"))) % 2 == 1


def _width(content: bytes) -> int:
    """The most bytes that a character takes in a string."""
    escapes = b"\\" in content
    if content.isascii() and not (escapes and rb"\u" in content):
        return 1
    return 4 if any(mark in content for mark in _WIDEST) else 2
