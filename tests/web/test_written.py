"""Answers that grow piece by piece: how much is copied for each piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from insitu.dialects.gemini.answer import ContentAnswer
from insitu.dialects.gemini.interactions.emitter import Emitter as InteractionEmitter
from insitu.dialects.openai.chat.answer import ChatAnswer
from insitu.dialects.openai.responses.emitter import Emitter as ResponseEmitter
from insitu.turn import events as on
from insitu.web.written import Written


class Counting(dict[str, Any]):
    """An object that knows how many characters were set in it."""

    chars = 0

    def __setitem__(self, key: str, value: str) -> None:
        self.chars += len(value)
        super().__setitem__(key, value)


def test_a_text_is_joined_when_it_is_looked_at_and_goes_on() -> None:
    place, written = Counting(text="a"), Written()
    for _ in range(1000):
        written.add(place, "text", "bc")
    assert (place, place.chars) == ({"text": "a"}, 0)
    written.settle()
    assert (place["text"], place.chars) == ("a" + "bc" * 1000, 2001)
    written.settle()
    assert place.chars == 2001
    written.add(place, "text", "d")
    written.hear(on.TextDelta("x"))
    assert place.chars == 2001
    written.hear(on.StepStarted(1))
    assert place["text"] == "a" + "bc" * 1000 + "d"


def test_texts_beside_each_other_do_not_disturb_each_other() -> None:
    place, texts, written = Counting(out="", err=""), ["x", "y"], Written()
    for number in range(100):
        written.add(place, ("out", "err")[number % 2], str(number % 2))
        written.add(texts, number % 2, "z")
    written.settle()
    assert (place, place.chars) == ({"out": "0" * 50, "err": "1" * 50}, 100)
    assert texts == ["x" + "z" * 50, "y" + "z" * 50]


def response(send: Callable[[Any], None]) -> ResponseEmitter:
    return ResponseEmitter({"id": "resp_1", "status": "in_progress", "reasoning": {"summary": None}}, "ann", (), send)


def interaction(send: Callable[[Any], None]) -> InteractionEmitter:
    return InteractionEmitter({"id": "int_1"}, "ann", ContentAnswer("m", shows_thoughts=True), send)


def texts_in(value: Any) -> list[str]:
    """Every text of an answer that is of these tests."""
    if isinstance(value, str):
        return [value] if value and set(value) <= {"t", "h"} else []
    return (
        [text for each in (value.values() if isinstance(value, dict) else value or ()) for text in texts_in(each)]
        if (isinstance(value, dict | list))
        else []
    )


@pytest.mark.parametrize("make", [response, interaction])
def test_who_looks_meanwhile_sees_all_that_was_written(make: Callable[[Callable[[Any], None]], Any]) -> None:
    emitter = make(lambda event: None)
    emitter.hear(on.StepStarted(0))
    for event, seen in (
        (on.ReasoningDelta("h"), ["h"]),
        (on.ReasoningDelta("h"), ["hh"]),
        (on.TextDelta("t"), ["hh", "t"]),
        (on.TextDelta("t"), ["hh", "tt"]),
    ):
        emitter.hear(event)
        assert texts_in(emitter.snapshot()) == seen


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[Written]:
    """Has an entry for each time that pieces were joined."""
    seen: list[Written] = []
    settle = Written.settle

    def counted(written: Written) -> None:
        seen.append(written)
        settle(written)

    monkeypatch.setattr(Written, "settle", counted)
    return seen


@pytest.mark.parametrize("make", [response, interaction])
def test_a_piece_is_not_joined_with_all_before_it(
    make: Callable[[Callable[[Any], None]], Any], settled: list[Written]
) -> None:
    emitter = make(lambda event: None)
    emitter.hear(on.StepStarted(0))
    emitter.hear(on.TextDelta("t"))
    settled.clear()
    for _ in range(100):
        emitter.hear(on.TextDelta("t"))
    assert settled == []
    assert texts_in(emitter.snapshot()) == ["t" * 101]


def test_nor_is_one_of_a_chat(settled: list[Written]) -> None:
    answer = ChatAnswer("m", None)
    answer.hear(on.StepStarted(0))
    answer.hear(on.CallStarted("call_1", "python", 1, "cntr_1"))
    settled.clear()
    for _ in range(100):
        answer.hear(on.TextDelta("t"))
        answer.hear(on.CodeDelta("call_1", "h"))
        answer.hear(on.OutputDelta("call_1", "stdout", "tt"))
    assert settled == []
    answer.hear(on.StepStarted(1))
    answer.hear(on.TextDelta("h"))
    message = answer.completion(on.TurnResult("stop", on.TurnUsage()))["choices"][0]["message"]
    assert message["content"] == "t" * 100 + "\n\nh"
    assert texts_in(message["insitu"]["steps"]) == ["h" * 100, "t" * 200]
