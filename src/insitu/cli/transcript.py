"""A turn in front of somebody: the answer on standard output, code and what it prints on standard error."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, TextIO

from .harmless import Harmless, escaped
from .text import colour

if TYPE_CHECKING:
    from insitu.types import Answer, AnswerEvent

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_PARAGRAPH = "\n\n"


class Transcript:
    """Writes the events of an answer as they come.

    Code looks as at Python's prompt. At a terminal, steps are indented, their code is dim, and an empty line parts them
    from what the model says.
    """

    def __init__(self) -> None:
        self._out, self._err = Lines(sys.stdout), Lines(sys.stderr)
        self._together = sys.stdout.isatty() and sys.stderr.isatty()
        self._indent = "  " if sys.stderr.isatty() else ""
        self._before: tuple[str, int | None] | None = None
        self._latest: int | None = None

    def show(self, event: AnswerEvent[Answer]) -> None:
        """Write what an event says."""
        if event.kind not in ("text", "code", "output"):
            return
        here = event.kind, event.index
        begins = here != self._before
        if event.kind == "text":
            self._text(event.text, begins)
        elif event.kind == "code":
            self._code(event, begins)
        else:
            self._output(event, begins)
        self._before = here

    def end(self) -> None:
        """End the lines that are begun."""
        self._out.end()
        self._err.end()

    def _text(self, text: str, begins: bool) -> None:
        if self._together and begins and self._before:
            self._err.end()
            text = "\n" + text.removeprefix(_PARAGRAPH)
        self._out.write(text)

    def _code(self, event: AnswerEvent[Answer], begins: bool) -> None:
        if begins:
            self._part()
            self._err.begin(f"{self._indent}>>> ")
        self._latest = event.index
        self._err.write(event.text, f"{self._indent}... ", "dim")

    def _output(self, event: AnswerEvent[Answer], begins: bool) -> None:
        if begins:
            self._part()
            if event.index is not None and event.index != self._latest:
                # Several were written before the first of them ran.
                self._latest = event.index
                self._err.write(f"[step {event.index + 1}]\n", self._indent, "dim")
        self._err.write(event.text, self._indent, coloured=True)

    def _part(self) -> None:
        self._err.end()
        if self._together and self._before and self._before[0] == "text":
            self._out.end()
            self._err.write("\n")


class Lines:
    """A stream whose lines can have a beginning and a colour; what is sent to a terminal cannot steer it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._harmless = Harmless(stream)
        self._mid_line = False

    def begin(self, beginning: str) -> None:
        """Begin a line."""
        self._stream.write(beginning)
        self._mid_line = True

    def write(self, text: str, beginning: str = "", name: str | None = None, *, coloured: bool = False) -> None:
        """Go on with the text, in this colour or with those that are in it; each further line begins so."""
        if self._terminal:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            text = self._harmless(text) if coloured else escaped(text)
        for line in _LINE.findall(text):
            said = line.rstrip("\n")
            if said and not self._mid_line:
                self._stream.write(beginning)
            self._stream.write(colour(said, name, self._stream) if name and said else said)
            self._mid_line = not line.endswith("\n")
            if not self._mid_line:
                self._stream.write("\n")
        self._stream.flush()

    def end(self) -> None:
        """End the line, if one is begun, and its colours."""
        self._stream.write(self._harmless.end())
        if self._mid_line:
            self.write("\n")
