"""Histories as model servers take them."""

from __future__ import annotations

from insitu.turn.messages import PastStep, as_content, flat, image_part, text_part, with_system

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOLD = {"role": "tool", "tool_call_id": "a", "content": "1"}
USER = {"role": "user", "content": "Hi"}


def test_a_step_is_what_was_said_its_calls_and_what_was_told_of_them() -> None:
    step = PastStep()
    step.say("Let me ")
    step.say("see.")
    step.call("a", "f", "{}")
    assert (step.is_open, step.unanswered) == (True, ["a"])
    step.told["a"] = "1"
    assert (step.is_open, step.unanswered) == (False, [])
    assert step.messages() == [{"role": "assistant", "content": "Let me see.", "tool_calls": [CALL]}, TOLD]


def test_a_call_that_is_forgotten_is_in_no_message() -> None:
    step = PastStep()
    for call_id in ("a", "b"):
        step.call(call_id, "f", "{}")
    step.told["a"] = "1"
    step.forget("b")
    assert step.messages() == [{"role": "assistant", "content": "", "tool_calls": [CALL]}, TOLD]
    step.forget("a")
    assert step.messages() == []


def test_a_call_that_comes_again_waits_again() -> None:
    step = PastStep()
    step.call("a", "f", "{}")
    step.told["a"] = "1"
    step.call("a", "f", "{}")
    assert step.unanswered == ["a"]


def test_what_is_told_stands_in_the_order_of_the_calls() -> None:
    step = PastStep()
    for call_id in ("a", "b"):
        step.call(call_id, "f", "{}")
    step.told |= {"b": "2", "a": "1"}
    assert [message["content"] for message in step.messages()] == ["", "1", "2"]


def test_text_alone_is_a_string_and_anything_else_a_list() -> None:
    texts, image = [text_part("a"), text_part("b")], image_part("data:image/png;base64,")
    assert (as_content(texts), as_content([])) == ("a\nb", "")
    assert as_content([*texts, image]) == [*texts, image]


def test_steps_and_messages_are_one_history() -> None:
    step = PastStep()
    step.say("Hello")
    assert flat([USER, PastStep(), step, USER]) == [USER, {"role": "assistant", "content": "Hello"}, USER]


def test_there_is_one_system_message_or_none() -> None:
    own = {"role": "system", "content": "Own."}
    assert with_system([None, "", "One.", "Two."], [own, USER]) == [
        {"role": "system", "content": "One.\n\nTwo.\n\nOwn."},
        USER,
    ]
    assert with_system([None, ""], [USER]) == [USER]
