"""What strangers wrote, before it reaches a terminal that it must not steer."""

from __future__ import annotations

import re
from typing import TextIO

from .text import RESET, shows_colours

# A carriage return, with which bars of progress are drawn, reaches no line but its own.
_CONTROL = re.compile(r"\x1b\[[0-9;:]*m|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# The beginning of a colour, whose end may come with the next piece.
_BEGUN = re.compile(r"\x1b(\[[0-9;:]{0,60})?\Z")


class Harmless:
    """Makes text fit for a stream, piece by piece.

    A terminal gets colours, if it shows them, and other control characters as escapes. Whatever else the stream is
    gets the text as it is.
    """

    def __init__(self, stream: TextIO) -> None:
        self._terminal = stream.isatty()
        self._colours = shows_colours(stream)
        self._begun = ""
        self._coloured = False

    def __call__(self, text: str) -> str:
        """The next piece, as it may be written."""
        if not self._terminal:
            return text
        text = self._begun + text
        begun = _BEGUN.search(text)
        self._begun = begun[0] if begun else ""
        return _CONTROL.sub(self._shown, text.removesuffix(self._begun))

    def end(self) -> str:
        """What is to be written when no more comes: it ends the colours."""
        left, self._begun = escaped(self._begun), ""
        reset = RESET if self._coloured else ""
        self._coloured = False
        return left + reset

    def _shown(self, found: re.Match[str]) -> str:
        if not found[0].endswith("m"):
            return escaped(found[0])
        self._coloured |= self._colours
        return found[0] if self._colours else ""


def escaped(text: str) -> str:
    """Text with all control characters as escapes, those of colours, too; lines and tabs stay."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: found[0].encode("unicode_escape").decode(), text)
