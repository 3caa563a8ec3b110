"""Code is read out of a call's JSON while the model still writes it, however the JSON is cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.turn.arguments import CodeReader, Escaping, parse_arguments

# Anything that can stand in a JSON text in UTF-8, and often what is escaped there.
CODE = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from('\n\t"\\/é🎉{}[]')), max_size=60)


@pytest.fixture(autouse=True)
def no_sessions() -> None:
    """Nothing here needs an engine."""


def cut(text: str, points: Iterable[int]) -> list[str]:
    """The text in pieces."""
    places = [0, *sorted(point % (len(text) + 1) for point in points), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def read(pieces: Sequence[str], field: str = "code") -> list[tuple[str, int]]:
    """What a reader tells of pieces of JSON, and then of the whole."""
    heard: list[tuple[str, int]] = []
    reader = CodeReader(field, lambda text, index: heard.append((text, index)))
    for piece in pieces:
        reader.feed(piece)
    reader.show(parse_arguments("".join(pieces)).get(field))
    return heard


@given(CODE, st.lists(st.integers(0, 10_000)), st.booleans(), st.booleans())
def test_code_is_the_same_whatever_the_pieces(code: str, points: list[int], ascii: bool, beside: bool) -> None:
    arguments: dict[str, Any] = {"why": '"code": "no"', "code": code, "more": [1, {}]} if beside else {"code": code}
    heard = read(cut(json.dumps(arguments, ensure_ascii=ascii), points))
    assert "".join(text for text, _ in heard) == code
    assert all(text for text, _ in heard)


@given(st.lists(CODE, min_size=1, max_size=4), st.lists(st.integers(0, 10_000)))
def test_commands_are_the_same_whatever_the_pieces(commands: list[str], points: list[int]) -> None:
    heard = read(cut(json.dumps({"commands": commands}), points), "commands")
    for index, command in enumerate(commands):
        assert "".join(text for text, its in heard if its == index) == command
    # One is told of after the other.
    assert [index for _, index in heard] == sorted(index for _, index in heard)


@given(st.lists(CODE, min_size=2, max_size=4), st.lists(st.integers(0, 10_000)))
def test_line_breaks_that_are_not_escaped_are_read_in_the_end(lines: list[str], points: list[int]) -> None:
    raw = '{"code": "' + "\n".join(json.dumps(line)[1:-1] for line in lines) + '"}'
    assert "".join(text for text, _ in read(cut(raw, points))) == "\n".join(lines)


def test_each_piece_is_told_of_at_once() -> None:
    assert read(['{"co', 'de": "pri', "nt(", "1)\\", 'n2"', "}"]) == [("pri", 0), ("nt(", 0), ("1)", 0), ("\n2", 0)]


@pytest.mark.parametrize(
    "nonsense", ["[1]", "7", '{"code": 7}', '{"code": null}', '{"code": ["a"', "{{{{", "\udcff", "print(1)"]
)
def test_what_holds_no_code_tells_of_none(nonsense: str) -> None:
    heard: list[str] = []
    CodeReader("code", lambda text, index: heard.append(text)).feed(nonsense)
    assert heard == (["a"] if "[" in nonsense and "a" in nonsense else [])


@pytest.mark.parametrize(("text", "arguments"), [("", {}), ("{}", {}), ('{"a": "1\n2"}', {"a": "1\n2"})])
def test_arguments_that_can_be_read(text: str, arguments: dict[str, Any]) -> None:
    assert parse_arguments(text) == arguments


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "the arguments are not valid JSON: Expecting property name"),
        ("print(1)", "the arguments are not valid JSON: Expecting value"),
        ('{"code": "1"} and more', "the arguments are not valid JSON: Extra data"),
        ("[" * 100_000, "the arguments are not valid JSON: "),
        ("[1]", "the arguments are a JSON list, and must be an object"),
        ('"1"', "the arguments are a JSON str, and must be an object"),
    ],
)
def test_arguments_that_cannot_be_read_say_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}"):
        parse_arguments(text)


@given(st.dictionaries(CODE, CODE, max_size=4), st.integers(1, 5))
def test_control_characters_in_strings_that_come_in_pieces_are_escaped(value: dict[str, str], size: int) -> None:
    # As models write it: only what would end the string is escaped.
    text = json.dumps(value, ensure_ascii=False)
    raw = text.replace("\\n", "\n").replace("\\t", "\t") if "\\\\" not in text else text
    escaping = Escaping()
    made = "".join(escaping.feed(raw[at : at + size]) for at in range(0, len(raw), size))
    assert json.loads(made) == value
    assert Escaping().feed('{\n "a":\t1}') == '{\n "a":\t1}'
