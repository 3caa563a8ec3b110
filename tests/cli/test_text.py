from __future__ import annotations

import json

import pytest

from insitu.cli.errors import report
from insitu.cli.text import as_json, duration, printable, size, table
from insitu.errors import UpstreamRefused
from insitu.types import parse_size


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("65536", 65536),
        ("512m", 512 << 20),
        ("512M", 512 << 20),
        ("512 MiB", 512 << 20),
        ("1.5g", 3 << 29),
        ("1gb", 1 << 30),
        ("2T", 2 << 40),
        ("10b", 10),
    ],
)
def test_sizes_are_read(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "m", "-1", "1x", "1 2", "1e3", "1.m", "\u0661m"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size: write it like 512m, 1\.5g or 65536"):
        parse_size(text)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 30, "1 GiB"), (5 << 50, "5120 TiB")]
)
def test_sizes_are_written(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0s"), (0.9, "0s"), (59, "59s"), (60, "1m 0s"), (7500, "2h 5m"), (90000, "1d 1h")]
)
def test_durations_have_their_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("A", "B"), [("long cell", "1"), ("x", "")]) == "A          B\nlong cell  1\nx"


def test_nobody_steers_a_terminal_by_a_name() -> None:
    assert printable("a\x1b[31m\n\u202eé") == "a\\x1b[31m\\n\\u202eé"


def test_nobody_steers_a_terminal_by_json_which_says_the_same() -> None:
    value = {"é": "\x1b]0;x\x07\x7f\x9b31m\u202e\U000e0001\ud800\nü"}
    text = as_json(value)
    assert text == ('{\n  "é": "\\u001b]0;x\\u0007\\u007f\\u009b31m\\u202e\\udb40\\udc01\\ud800\\nü"\n}')
    assert json.loads(text) == value


def test_nobody_steers_a_terminal_by_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    error = UpstreamRefused("busy \x1b]0;x\x07\nhint: \x9b31m", status=400)
    error.hint = "a\rb\u202e"
    error.add_note("request id: \x1b[2J")
    report(error)
    assert capsys.readouterr().err == (
        "error: busy \\x1b]0;x\\x07\n  hint: \\x9b31m\nhint: a\n  b\\u202e\nnote: request id: \\x1b[2J\n"
    )
