"""How many tokens messages have: the model server says it."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import Anthropic

from tests.support.anthropic_errors import refused
from tests.support.messages import ASKED, CODE, QUESTION, ask, conversation
from tests.support.model import ScriptedModel, fail, say
from tests.support.responses import run

COUNTED: dict[str, Any] = {"model": "m", "messages": [QUESTION], "tools": [CODE]}


def count(client: Anthropic, **asked: Any) -> int:
    return client.messages.count_tokens(**{**COUNTED, **asked}).input_tokens


def test_the_model_server_counts_what_it_would_read(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("H", usage=(123, 1)), say("Hello."))
    assert count(anthropic_client, system="Be brief.") == 123
    ask(anthropic_client, system="Be brief.")
    counted, asked = [received.body for received in model.requests]
    assert counted == {**asked, "max_tokens": 1}


def test_a_conversation_is_counted_without_being_gone_on_with(
    anthropic_client: Anthropic, model: ScriptedModel
) -> None:
    model.script(run("x = 40"), say("Well."), say("H", usage=(77, 1)), say("Yes."))
    messages = conversation(ask(anthropic_client), "And now?")
    assert count(anthropic_client, messages=messages) == 77
    ask(anthropic_client, messages=messages)
    counted, asked = [received.body["messages"] for received in model.requests[2:]]
    assert counted == asked


def test_what_is_malformed_is_refused(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    assert refused(lambda: count(anthropic_client, messages=[])).type == "invalid_request_error"
    error = refused(lambda: count(anthropic_client, extra_body={"max_tokens": ASKED["max_tokens"]}))
    assert "max_tokens: there is no such field" in str(error.api_message)
    assert model.requests == []


@pytest.mark.parametrize(("step", "status"), [(fail(400), 400), (say("H", usage=None), 502)], ids=["refused", "untold"])
def test_a_model_server_that_does_not_say_is_an_error(
    anthropic_client: Anthropic, model: ScriptedModel, step: Any, status: int
) -> None:
    model.script(step)
    refused(lambda: count(anthropic_client), status)
