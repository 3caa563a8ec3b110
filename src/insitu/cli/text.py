"""How the command line writes numbers, tables, JSON and colours."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_NOT_PLAIN = re.compile(r"[^\n -~]")
RESET = "\033[0m"
_COLOURS = {"red": 31, "green": 32, "yellow": 33, "dim": 2, "bold": 1}


def size(count: float) -> str:
    """Bytes for people: ``1.5 GiB``."""
    power = 0
    while count >= 1024 and power < len(_UNITS) - 1:
        count /= 1024
        power += 1
    return f"{count:.1f}".removesuffix(".0") + f" {_UNITS[power]}"


def duration(seconds: float) -> str:
    """Seconds for people, in their two largest units: ``2h 5m``."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Left-aligned columns under their names."""
    lines = [tuple(head), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def printable(text: str) -> str:
    """Text that cannot steer a terminal, whoever chose it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """Text of several lines that cannot steer a terminal; the further ones are indented, so that none begins anew."""
    return "\n  ".join(printable(line.expandtabs()) for line in text.splitlines())


def as_json(value: Any) -> str:
    """A value as JSON for people and programs, which cannot steer a terminal either."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _NOT_PLAIN.sub(lambda c: c[0] if c[0].isprintable() else json.dumps(c[0])[1:-1], text)


def colour(text: str, name: str, stream: TextIO) -> str:
    """Text in a colour, where the stream is a terminal that shows colours."""
    return f"\033[{_COLOURS[name]}m{text}{RESET}" if shows_colours(stream) else text


def note(text: str) -> None:
    """Tell of progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def shows_colours(stream: TextIO) -> bool:
    """Whether the stream is a terminal that shows colours, to somebody who wants them."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
