"""Messages with code: what Anthropic's client asks, what the model is told, and the answer's blocks."""

from __future__ import annotations

from collections.abc import Callable
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
    results,
    results_by_use,
    text,
    uses,
)
from tests.support.model import Json, ScriptedModel, call, reason, say
from tests.support.responses import run, told

pytestmark = pytest.mark.client("anthropic")
VERSIONS = ["code_execution_20250522", "code_execution_20250825", "code_execution_20260120", "code_execution_20260521"]


def result(message: Any) -> Any:
    """What came of its only use."""
    [only] = results(message)
    return only


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


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_of_the_tool_runs_python(anthropic_client: Anthropic, model: ScriptedModel, version: str) -> None:
    model.script(run("6 * 7"), say("42."))
    message = ask(anthropic_client, tools=[{"type": version, "name": "code_execution"}])
    assert result(message).stdout == "42"
    offered = [tool["function"]["name"] for tool in model.requests[0].body["tools"]]
    assert offered == (["python"] if version.endswith("20250522") else ["python", "bash", "edit"])


@pytest.mark.shows("files out", "images")
def test_files_that_code_makes_can_be_downloaded(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    code = "import matplotlib.pyplot as p\np.plot([1])\np.show()\nn = open('a.csv', 'w').write('1,2')"
    model.script(run(code), say("Done."))
    made = result(ask(anthropic_client)).content
    assert {output.type for output in made} == {"code_execution_output"}
    contents = {}
    for output in made:
        name = anthropic_client.files.retrieve_metadata(output.file_id).filename
        contents[name.rpartition(".")[2]] = anthropic_client.files.download(output.file_id).read()
    assert contents["csv"] == b"1,2"
    assert contents["png"].startswith(b"\x89PNG")


def test_an_exception_is_a_result_that_says_so(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("print('so far')\n1/0"), say("No."))
    failed = result(ask(anthropic_client))
    assert (failed.type, failed.return_code, failed.stdout) == ("code_execution_result", 1, "so far\n")
    assert failed.stderr.endswith("ZeroDivisionError: division by zero")


def test_code_that_takes_too_long_is_an_error(
    connect_anthropic: Callable[..., Anthropic], model: ScriptedModel, serve: Callable[..., str]
) -> None:
    model.script(run("print('so far')\nwhile True: pass"), say("No."))
    failed = result(ask(connect_anthropic(serve(timeout_s=0.2)))).to_dict()
    assert (failed["type"], failed["error_code"]) == ("code_execution_tool_result_error", "execution_time_exceeded")
    assert failed["insitu"]["message"].startswith("so far\n")


def test_a_call_that_is_none_is_an_error(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(call(("python", {"kode": "1"}), ("bash", "{no")), say("No."))
    message = ask(anthropic_client)
    assert [use.input for use in uses(message)] == [{}, {}]
    assert [each.to_dict()["error_code"] for each in results(message)] == ["invalid_tool_input"] * 2
    assert [each.type for each in results(message)] == [
        "code_execution_tool_result_error",
        "bash_code_execution_tool_result_error",
    ]


def test_bash_has_blocks_of_its_own(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(call(("bash", {"command": "echo out; echo err >&2; echo 1 > a.txt; exit 3"})), say("Done."))
    message = ask(anthropic_client)
    assert kinds(message) == ["server_tool_use", "bash_code_execution_tool_result", "text"]
    [use] = uses(message)
    assert (use.name, list(use.input)) == ("bash_code_execution", ["command"])
    found = result(message)
    assert (found.type, found.stdout, found.stderr, found.return_code) == (
        "bash_code_execution_result",
        "out\n",
        "err\n",
        3,
    )
    [output] = found.content
    assert output.type == "bash_code_execution_output"
    assert anthropic_client.files.download(output.file_id).read() == b"1\n"


def test_the_editor_creates_shows_and_changes_files(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    path = {"path": "/mnt/data/a.txt"}
    model.script(
        call(("edit", {"command": "create", **path, "file_text": "one\ntwo\n"})),
        call(("edit", {"command": "str_replace", **path, "old_str": "two", "new_str": "three"})),
        call(("edit", {"command": "view", **path, "view_range": [2, 2]})),
        call(("edit", {"command": "view", "path": "/mnt/data/nothing"})),
        say("Done."),
    )
    message = ask(anthropic_client)
    assert {use.name for use in uses(message)} == {"text_editor_code_execution"}
    assert [use.input for use in uses(message)][1] == {
        "command": "str_replace",
        **path,
        "old_str": "two",
        "new_str": "three",
    }
    created, replaced, viewed, missing = [each.to_dict() for each in results(message)]
    kind = "text_editor_code_execution"
    assert created == {"type": f"{kind}_create_result", "is_file_update": False}
    assert replaced == {
        "type": f"{kind}_str_replace_result",
        "lines": ["-two", "+three"],
        "old_start": 2,
        "old_lines": 1,
        "new_start": 2,
        "new_lines": 1,
    }
    assert viewed == {
        "type": f"{kind}_view_result",
        "file_type": "text",
        "content": "three",
        "num_lines": 1,
        "start_line": 2,
        "total_lines": 2,
    }
    assert (missing["type"], missing["error_code"]) == (f"{kind}_tool_result_error", "file_not_found")
    assert "nothing" in missing["error_message"]


def test_several_calls_at_once_have_their_results_behind_them(
    anthropic_client: Anthropic, model: ScriptedModel
) -> None:
    model.script(run("print(1)", "print(2)"), say("Done."))
    message = ask(anthropic_client)
    assert kinds(message) == [
        "server_tool_use",
        "server_tool_use",
        "code_execution_tool_result",
        "code_execution_tool_result",
        "text",
    ]
    assert [results_by_use(message)[use.id].stdout for use in uses(message)] == ["1\n", "2\n"]


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


def test_code_that_the_time_of_a_turn_ends_has_a_result_all_the_same(
    connect_anthropic: Callable[..., Anthropic], model: ScriptedModel, serve: Callable[..., str]
) -> None:
    model.script(run("while True: pass"), say("Sorry."))
    client = connect_anthropic(serve(turn_timeout_s=0.5))
    first = ask(client)
    assert (first.stop_reason, result(first).error_code) == ("pause_turn", "execution_time_exceeded")
    assert text(ask(client, messages=[QUESTION, {"role": "assistant", "content": first.content}])) == "Sorry."
    assert told(model.requests[1].body) == ["the turn ended before it did"]


def test_bodies_without_the_sdk_are_the_same(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    answer = http.post("/v1/messages", json={**ASKED, "tools": []})
    assert answer.status_code == 200
    members = "id type role model content stop_reason stop_sequence container usage"
    assert set(answer.json()) == set(members.split())


def test_a_model_that_calls_no_tools_writes_blocks_of_python(
    connect_anthropic: Callable[..., Anthropic], model: ScriptedModel, serve: Callable[..., str]
) -> None:
    model.script(say("Let me see.\n```python\nprint(6 * 7)\n```\n"), say("42."))
    message = ask(connect_anthropic(serve(fenced_models=("m",))))
    assert kinds(message) == ["text", "server_tool_use", "code_execution_tool_result", "text"]
    assert (uses(message)[0].input, result(message).stdout) == ({"code": "print(6 * 7)\n"}, "42\n")
    assert "tools" not in model.requests[0].body
