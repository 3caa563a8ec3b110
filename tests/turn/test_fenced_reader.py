"""Text and the code of a block are told apart, however the stream is cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.turn.fenced import FencedReader
from tests.turn.test_arguments import cut

LINES = st.lists(
    st.one_of(
        st.text("ab `~\té🎉", max_size=8),
        st.sampled_from(
            ["", "    ```python", "``", "`python`", "```python x", "a ```", "print(1)", "x = '''", "\f", "\u2028"]
        ),
    ).filter(lambda line: not line.lstrip(" ").startswith("```")),
    max_size=6,
)
OPENINGS = st.sampled_from(["```python", "```py", "``` python", "   ```Python3  ", "```tool_code\r"])
CLOSINGS = st.sampled_from(["```", "  ```", "```  ", "```\r"])


@pytest.fixture(autouse=True)
def no_sessions() -> None:
    """Nothing here needs an engine."""


def read(pieces: Sequence[str]) -> tuple[str, str, FencedReader]:
    """Text, code, and the reader, which has been told that nothing more comes."""
    text: list[str] = []
    code: list[str] = []
    reader = FencedReader(text.append, code.append)
    for piece in pieces:
        reader.feed(piece)
    reader.finish()
    return "".join(text), "".join(code), reader


def joined(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@given(LINES, OPENINGS, LINES, CLOSINGS, st.text(max_size=5), st.lists(st.integers(0, 10_000), max_size=40))
def test_text_and_code_are_the_same_whatever_the_pieces(
    before: list[str], opening: str, body: list[str], closing: str, after: str, points: list[int]
) -> None:
    whole = f"{joined(before)}{opening}\n{joined(body)}{closing}\n{after}"
    text, code, reader = read(cut(whole, points))
    assert (text, code, reader.closed) == (joined(before), joined(body), True)


@given(LINES, st.lists(st.integers(0, 10_000), max_size=40))
def test_text_without_a_block_comes_through_as_it_is(lines: list[str], points: list[int]) -> None:
    whole = joined(lines).removesuffix("\n")
    text, code, reader = read(cut(whole, points))
    assert (text, code, reader.in_code, reader.closed) == (whole, "", False, False)


@given(
    st.sampled_from(["json", "", "bash", "Python-like", "c++ x"]), LINES, st.lists(st.integers(0, 10_000), max_size=40)
)
def test_blocks_of_other_languages_are_text(language: str, lines: list[str], points: list[int]) -> None:
    whole = f"```{language}\n{joined(lines)}```python\n{joined(lines)}```\nThat was it."
    text, code, _ = read(cut(whole, points))
    assert (text, code) == (whole, "")


def test_a_block_after_one_of_another_language_is_run() -> None:
    text, code, reader = read(["```json\n{}\n```\n```python\n1\n```\n"])
    assert (text, code, reader.closed) == ("```json\n{}\n```\n", "1\n", True)


@pytest.mark.parametrize("end", ["", "```", " ``` "])
def test_the_end_of_the_stream_ends_the_code(end: str) -> None:
    for size in (1, 2, 3, 100):
        whole = f"Well:\n```python\nprint(1)\n{end}"
        text, code, reader = read([whole[start : start + size] for start in range(0, len(whole), size)])
        assert (text, code, reader.in_code, reader.closed) == ("Well:\n", "print(1)\n", True, False)


@pytest.mark.parametrize("end", ["``", "```python", "    ```", "```x"])
def test_what_looks_like_a_fence_is_code_if_it_is_none(end: str) -> None:
    _, code, _ = read(["```python\n", "1\n", end])
    assert code == f"1\n{end}"


def test_text_is_told_of_as_it_comes() -> None:
    heard: list[str] = []
    reader = FencedReader(heard.append, heard.append)
    for piece in ["Let", " me", " see", ":\n", "`", "`", "`py", "\nx", " = 1"]:
        reader.feed(piece)
    assert heard == ["Let", " me", " see", ":\n", "x", " = 1"]


def test_a_fence_that_is_opened_and_not_begun_is_text() -> None:
    text, code, reader = read(["It is ", "so:\n```pyth"])
    assert (text, code, reader.in_code) == ("It is so:\n```pyth", "", False)
