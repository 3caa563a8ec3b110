from __future__ import annotations

import pytest

from insitu.cli.text import duration, parse_size, printable, size, table


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
