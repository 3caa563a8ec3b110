"""Messages with code: what Anthropic's client asks, what the model is told, and the answer's blocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic

from tests.support.messages import (
    ASKED,
    CODE,
    PYTHON,
    QUESTION,
    WEATHER,
    ask,
    client_uses,
    kinds,
    result,
    text,
    uses,
)
from tests.support.model import Json, ScriptedModel, call, reason, say
from tests.support.responses import run, told

pytestmark = pytest.mark.client("anthropic")


@pytest.mark.shows("answer")
def test_a_question_is_answered_with_code_on_the_way(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("print(6 * 7)", text="Let me see."), say("It is 42."))
    message = ask(anthropic_client)
    assert kinds(message) == ["text", "server_tool_use", "code_execution_tool_result", "text"]
    assert (message.role, message.model, message.stop_reason, message.stop_sequence) == (
        "assistant",
        "m",
        "end_turn",
        None,
    )
    assert text(message) == "Let me see.It is 42."
    [use] = uses(message)
    assert (use.name, use.input) == ("code_execution", {"code": "print(6 * 7)"})
    assert message.content[2].to_dict() == {
        "type": "code_execution_tool_result",
        "tool_use_id": use.id,
        "content": {"type": "code_execution_result", "stdout": "42\n", "stderr": "", "return_code": 0, "content": []},
    }


def test_its_container_lives_for_a_while(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("1"), say("One."))
    container = ask(anthropic_client).container
    assert container is not None
    assert container.id.startswith("cntr_") and container.skills is None
    left = container.expires_at - datetime.now(UTC)
    assert timedelta(minutes=19) < left <= timedelta(minutes=20)


def test_the_tokens_of_all_steps_are_told(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    more: Json = {
        "prompt_tokens": 30,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    model.script(run("1"), say("One.", usage=more))
    usage = ask(anthropic_client).usage
    assert usage.to_dict() == {
        "input_tokens": 20,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 20,
        "output_tokens": 12,
        "output_tokens_details": {"thinking_tokens": 4},
        "service_tier": "standard",
    }


@pytest.mark.shows("functions")
def test_the_clients_own_tools_are_called_beside_code(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "1"}), ("weather", {"city": "Ulm"})))
    message = ask(anthropic_client, tools=[CODE, WEATHER])
    assert message.stop_reason == "tool_use"
    [use] = client_uses(message)
    assert (use.name, use.input, use.caller) == ("weather", {"city": "Ulm"}, None)
    function = model.requests[0].body["tools"][-1]["function"]
    assert function == {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": WEATHER["input_schema"],
    }


def test_without_code_there_is_neither_tool_nor_container(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    message = ask(anthropic_client, tools=[])
    assert (text(message), message.container) == ("Hello.", None)
    assert model.requests[0].body["messages"] == [QUESTION]
    assert "tools" not in model.requests[0].body


def test_the_system_prompt_stands_in_three_places(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("Hello."), say("Hello."))
    ask(anthropic_client, tools=[], system="Be brief.")
    blocks = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    ask(anthropic_client, tools=[], system=blocks, messages=[QUESTION, {"role": "system", "content": "Be quick."}])
    first, second = [received.body["messages"] for received in model.requests]
    assert first == [{"role": "system", "content": "Be brief."}, QUESTION]
    assert second == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        QUESTION,
        {"role": "system", "content": "Be quick."},
    ]


def test_what_the_model_is_to_begin_with_goes_to_its_server(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("B)"))
    begun = {"role": "assistant", "content": "The best answer is ("}
    message = ask(anthropic_client, tools=[], messages=[QUESTION, begun])
    assert text(message) == "B)"
    assert model.requests[0].body["messages"] == [QUESTION, begun]


def test_thoughts_are_shown_unless_they_are_not_wanted(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(*[reason("Hm, hm.", say("42."))] * 3)
    block = ask(anthropic_client).content[0]
    assert block.to_dict() == {"type": "thinking", "thinking": "Hm, hm.", "signature": "insitu"}
    for hidden in ({"type": "disabled"}, {"type": "adaptive", "display": "omitted"}):
        assert kinds(ask(anthropic_client, thinking=hidden)) == ["text"]


def test_options_reach_the_model_server_under_its_names(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("{}"))
    schema = {"type": "object", "properties": {}}
    ask(
        anthropic_client,
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        metadata={"user_id": "someone"},
        output_config={"effort": "max", "format": {"type": "json_schema", "schema": schema}},
        service_tier="auto",
        extra_body={"temperature": 0.5, "top_p": 0.9, "top_k": 3, "cache_control": {"type": "ephemeral"}},
    )
    body = {name: value for name, value in model.requests[0].body.items() if name not in ("messages", "tools")}
    assert body == {
        "model": "m",
        "max_tokens": 1000,
        "stop": ["END"],
        "user": "someone",
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "reasoning_effort": "xhigh",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": True},
        },
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ({"type": "auto"}, None),
        ({"type": "none"}, "none"),
        ({"type": "any"}, "required"),
        ({"type": "tool", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
        ({"type": "tool", "name": "code_execution"}, {"type": "function", "function": {"name": "insitu_python"}}),
    ],
    ids=str,
)
def test_a_tool_can_be_chosen(anthropic_client: Anthropic, model: ScriptedModel, choice: Any, sent: Any) -> None:
    model.script(say("Hello."))
    ask(anthropic_client, tools=[CODE, WEATHER, {**WEATHER, "name": "python"}], tool_choice=choice)
    assert model.requests[0].body.get("tool_choice") == sent


@pytest.mark.parametrize(
    ("steps", "asked", "reason", "incomplete"),
    [
        ([say("It is", finish_reason="length")], {}, "max_tokens", None),
        ([run("1", text="")], {"max_tokens": 5}, "max_tokens", None),
        ([say("No.", finish_reason="content_filter")], {}, "refusal", None),
        ([call(("weather", {}))], {}, "tool_use", None),
        ([run("1/0")] * 4, {}, "end_turn", "repeated_error"),
    ],
    ids=str,
)
def test_why_a_message_ends(
    anthropic_client: Anthropic, model: ScriptedModel, steps: Any, asked: Json, reason: str, incomplete: str | None
) -> None:
    model.script(*steps)
    message = ask(anthropic_client, **{"tools": [PYTHON, WEATHER], **asked})
    assert message.stop_reason == reason
    assert message.to_dict().get("insitu") == (incomplete and {"incomplete": incomplete})


def test_a_message_that_paused_goes_on_as_it_is_sent_back(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("x = 40"), run("x + 1"), run("x + 2"), say("42."))
    first = ask(anthropic_client, extra_body={"insitu": {"max_steps": 2}})
    assert (first.stop_reason, first.to_dict()["insitu"]) == ("pause_turn", {"incomplete": "max_steps"})
    second = ask(anthropic_client, messages=[QUESTION, {"role": "assistant", "content": first.content}])
    assert (second.stop_reason, text(second), result(second).stdout) == ("end_turn", "42.", "42")
    assert first.container and second.container and first.container.id == second.container.id
    assert told(model.requests[2].body) == ["[no output]"]


def test_a_body_has_the_members_that_anthropics_has(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    answer = http.post("/v1/messages", json={**ASKED, "tools": []})
    assert answer.status_code == 200
    members = "id type role model content stop_reason stop_sequence container usage"
    assert set(answer.json()) == set(members.split())
