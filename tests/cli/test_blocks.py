from __future__ import annotations

import pytest

from insitu.cli.blocks import Blocks


def pieces(text: str) -> list[str]:
    blocks = Blocks()
    found = [code for line in text.split("\n") for code in blocks.add(line)]
    return [*found, blocks.rest()] if blocks.pending else found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1\n\n2", ["1", "2"]),
        ("if x:\n  1\n\n2", ["if x:\n  1\n", "2"]),
        ("if x:\n  1\n2", ["if x:\n  1", "2"]),
        ("if x:\n  1\nelse:\n  2\n3", ["if x:\n  1\nelse:\n  2", "3"]),
        ("try:\n  1\nexcept E:\n  2\nfinally:\n  3\n4", ["try:\n  1\nexcept E:\n  2\nfinally:\n  3", "4"]),
        ("def f():\n  1\ndef g():\n  2\n", ["def f():\n  1", "def g():\n  2\n"]),
        ("@d\ndef f():\n  1\n2", ["@d\ndef f():\n  1", "2"]),
        ("f(\n1,\n2)\n3", ["f(\n1,\n2)", "3"]),
        ('"""\na\n\nb"""\n1', ['"""\na\n\nb"""', "1"]),
        ("a = \\\n1\n2", ["a = \\\n1", "2"]),
        ("if x:\n  1", ["if x:\n  1"]),
        ("await f()\n1", ["await f()", "1"]),
        ("async with f():\n  1\n2", ["async with f():\n  1", "2"]),
        ("!ls (\n%time f(\n1", ["!ls (", "%time f(", "1"]),
        ("1 +\n2", ["1 +", "2"]),
        ("'\\d'\n1 is 1", ["'\\d'", "1 is 1"]),
        ("elsewhere = 1\nif x:\n  1\nelsewhere", ["elsewhere = 1", "if x:\n  1", "elsewhere"]),
    ],
)
def test_lines_become_pieces_that_can_run(text: str, found: list[str]) -> None:
    assert pieces(text) == found
