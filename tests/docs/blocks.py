"""The fenced blocks of the documentation, and what is written about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])

_BLOCK = re.compile(r"^(?P<note><!-- not run: .+ -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPECTED = re.compile(r"^\s*# ?> ?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        line: where it begins on its page.
        kind: the word after the fence.
        runs: whether it has to; a comment ``<!-- not run: why -->`` above it excuses it.
    """

    page: Path
    line: int
    kind: str
    text: str
    runs: bool

    @property
    def expected(self) -> list[str]:
        """The lines that it says it prints, each after ``#>`` or ``# >``; none if it says nothing."""
        return _EXPECTED.findall(self.text)

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page, from its top."""
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found["kind"], found["text"], runs=not found["note"])
