"""Conversations that are sent back: what the model reads of them, and where their code goes on."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from anthropic import Anthropic
from openai import OpenAI

from insitu.web.places import EXPIRED
from tests.support.anthropic_errors import refused
from tests.support.containers import kill_sandbox
from tests.support.messages import (
    CODE,
    PYTHON,
    QUESTION,
    WEATHER,
    answer,
    ask,
    client_uses,
    conversation,
    results,
    text,
    uses,
)
from tests.support.model import Json, ScriptedModel, call, reason, say
from tests.support.responses import run, told

pytestmark = pytest.mark.client("anthropic")


def upload(client: Anthropic, name: str, content: bytes) -> str:
    return client.files.upload(file=(name, content)).id


def last(model: ScriptedModel) -> list[Json]:
    """The messages that the model was last asked with."""
    messages: list[Json] = model.requests[-1].body["messages"]
    return messages


@pytest.mark.shows("state")
def test_a_conversation_goes_on_in_its_container(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("x = 40", text="Let me see."), say("Well."), run("x + 2"), say("42."))
    first = ask(anthropic_client)
    second = ask(anthropic_client, messages=conversation(first, "And now?"))
    assert results(second)[0].stdout == "42"
    assert first.container and second.container and first.container.id == second.container.id
    said = model.requests[2].body["messages"]
    [made] = said[1].pop("tool_calls")
    assert (made["function"]["name"], made["function"]["arguments"]) == ("python", '{"code": "x = 40"}')
    assert said == [
        QUESTION,
        {"role": "assistant", "content": "Let me see."},
        {"role": "tool", "tool_call_id": made["id"], "content": "[no output]"},
        {"role": "assistant", "content": "Well."},
        {"role": "user", "content": "And now?"},
    ]


def test_a_container_can_be_named(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("x = 40"), say("Well."), run("x + 2"), say("42."), say("Hello."))
    container = ask(anthropic_client).container
    assert container is not None
    assert results(ask(anthropic_client, container=container.id))[0].stdout == "42"
    named = ask(anthropic_client, container={"id": container.id}, tools=[]).container
    assert named is not None and named.id == container.id


def test_files_of_a_named_container_are_told_to_the_model(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("open('a.txt').read()"), say("Well."), say("Hello."))
    block = {"type": "container_upload", "file_id": upload(anthropic_client, "a.txt", b"hello")}
    first = ask(anthropic_client, messages=[{"role": "user", "content": [block, {"type": "text", "text": "What?"}]}])
    assert first.container is not None
    ask(anthropic_client, container=first.container.id)
    assert last(model)[0] == {"role": "system", "content": "[The user's files: /mnt/data/a.txt]"}


def test_a_container_that_has_expired_is_an_error_by_name_and_replaced_without(
    anthropic_client: Anthropic, client: OpenAI, model: ScriptedModel
) -> None:
    model.script(run("x = 40"), say("Well."), run("print('x' in globals())"), say("Gone."))
    first = ask(anthropic_client)
    assert first.container is not None
    kill_sandbox(client, first.container.id)
    error = refused(partial(ask, anthropic_client, container=first.container.id), 404)
    assert (error.type, error.error_code) == ("not_found_error", "container_expired")
    second = ask(anthropic_client, messages=conversation(first, "And now?"))
    assert (text(second), results(second)[0].stdout) == ("Gone.", "False\n")
    assert second.container and second.container.id != first.container.id
    assert last(model)[0] == {"role": "system", "content": EXPIRED}


def test_ids_of_another_owner_lead_nowhere(
    anthropic_client: Anthropic, anthropic_stranger: Anthropic, model: ScriptedModel
) -> None:
    model.script(run("x = 40"), say("Well."), run("print('x' in globals())"), say("No."))
    first = ask(anthropic_client)
    assert first.container is not None
    refused(partial(ask, anthropic_stranger, container=first.container.id), 404)
    theirs = ask(anthropic_stranger, messages=conversation(first, "And now?"))
    assert results(theirs)[0].stdout == "False\n"
    assert theirs.container and theirs.container.id != first.container.id


def test_a_history_from_elsewhere_is_read_as_it_is(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("Well."))
    blocks: list[Json] = [
        {"type": "thinking", "thinking": "Hm.", "signature": "abc"},
        {"type": "redacted_thinking", "data": "abc"},
        {"type": "text", "text": "Let me "},
        {"type": "text", "text": "see."},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {"code": "print(1)"}},
        {"type": "server_tool_use", "id": "srvtoolu_2", "name": "bash_code_execution", "input": {"command": "ls"}},
        result("code_execution", "srvtoolu_1", stdout="1\n", stderr="oh\n", return_code=0, content=[]),
        result("bash_code_execution", "srvtoolu_2", stdout="", stderr="", return_code=2, content=[]),
        {"type": "text", "text": "So."},
        {"type": "server_tool_use", "id": "srvtoolu_3", "name": "text_editor_code_execution", "input": {}},
        {
            "type": "text_editor_code_execution_tool_result",
            "tool_use_id": "srvtoolu_3",
            "content": {"type": "text_editor_code_execution_tool_result_error", "error_code": "unavailable"},
        },
    ]
    ask(anthropic_client, messages=[QUESTION, {"role": "assistant", "content": blocks}, QUESTION])
    assert last(model) == [
        QUESTION,
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [
                called("srvtoolu_1", "python", '{"code": "print(1)"}'),
                called("srvtoolu_2", "bash", '{"command": "ls"}'),
            ],
        },
        {"role": "tool", "tool_call_id": "srvtoolu_1", "content": "1\noh"},
        {"role": "tool", "tool_call_id": "srvtoolu_2", "content": "[exit code 2]"},
        {"role": "assistant", "content": "So.", "tool_calls": [called("srvtoolu_3", "edit", "{}")]},
        {"role": "tool", "tool_call_id": "srvtoolu_3", "content": "[unavailable]"},
        QUESTION,
    ]


def result(kind: str, use_id: str, **content: Any) -> Json:
    return {"type": f"{kind}_tool_result", "tool_use_id": use_id, "content": {"type": f"{kind}_result", **content}}


def called(call_id: str, name: str, arguments: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    ("content", "read"),
    [
        ({"type": "x_view_result", "content": "a line"}, "a line"),
        ({"type": "x_create_result", "is_file_update": True}, "[updated]"),
        ({"type": "x_create_result", "is_file_update": False}, "[created]"),
        ({"type": "x_str_replace_result", "lines": ["-a", "+b"]}, "-a\n+b"),
        ({"type": "x_error", "error_code": "unavailable", "insitu": {"message": "no room"}}, "no room"),
        ({"type": "x_error", "error_code": "file_not_found", "error_message": "no such file"}, "no such file"),
        ({"type": "encrypted_code_execution_result", "encrypted_stdout": "?", "stderr": "e", "return_code": 1}, "e"),
        ({"type": "x_result", "stdout": 1, "stderr": None, "return_code": "?"}, "[no output]"),
    ],
    ids=str,
)
def test_what_a_result_says_is_what_the_model_reads(
    anthropic_client: Anthropic, model: ScriptedModel, content: Json, read: str
) -> None:
    model.script(say("Well."))
    blocks: list[Json] = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}},
        {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": content},
    ]
    ask(anthropic_client, messages=[QUESTION, {"role": "assistant", "content": blocks}])
    assert told(model.requests[0].body) == [read]


def test_a_long_result_is_clipped_as_the_first_time(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("print('y' * 50_000)"), say("Well."), say("Yes."))
    first = ask(anthropic_client)
    assert len(results(first)[0].stdout) == 50_001
    ask(anthropic_client, messages=conversation(first, "Really?"))
    before, after = [told(received.body)[0] for received in model.requests[1:]]
    assert "characters left out" in after
    assert (len(after) < 21_000, after[:15_000]) == (True, before[:15_000])


def test_uses_that_clients_have_moved_behind_results_are_read(
    anthropic_client: Anthropic, model: ScriptedModel
) -> None:
    model.script(call(("python", {"code": "print(1)"}), ("weather", {"city": "Ulm"})), say("Well."))
    first = ask(anthropic_client, tools=[CODE, WEATHER])
    use, client_use, result = first.content
    moved = [{"role": "assistant", "content": [use, result, client_use]}]
    given = [{"role": "user", "content": [answer(client_use, "rain")]}]
    ask(anthropic_client, tools=[CODE, WEATHER], messages=[QUESTION, *moved, *given])
    assert told(model.requests[1].body) == ["1", "rain"]


def test_thoughts_are_not_read_again(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(reason("Hm.", say("Well.")), say("Yes."))
    first = ask(anthropic_client)
    ask(anthropic_client, messages=conversation(first, "Really?"))
    assert last(model)[1] == {"role": "assistant", "content": "Well."}


def test_another_version_of_the_tool_reads_the_history_of_any(
    anthropic_client: Anthropic, model: ScriptedModel
) -> None:
    model.script(call(("bash", {"command": "echo 1"})), say("Well."), say("Yes."))
    first = ask(anthropic_client)
    ask(anthropic_client, tools=[PYTHON], messages=conversation(first, "Really?"))
    [made] = last(model)[1]["tool_calls"]
    assert (made["function"]["name"], told(model.requests[2].body)) == ("bash", ["1"])


def test_the_uses_ids_are_of_anthropics_form(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "1"}), ("weather", {})))
    message = ask(anthropic_client, tools=[CODE, WEATHER])
    [use], [client_use] = uses(message), client_uses(message)
    assert use.id.startswith("srvtoolu_") and use.id.isascii() and use.id.removeprefix("srvtoolu_").isalnum()
    assert client_use.id.startswith("toolu_") and client_use.id.removeprefix("toolu_").isalnum()
