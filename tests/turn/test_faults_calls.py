"""Calls that no tool can make anything of: the model is told, and the turn goes on."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.model import Json, ScriptedModel, call, say
from tests.support.responses import OUTPUTS, PYTHON, SHELL, run, told
from tests.support.turns import Place

WEATHER: Json = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("{nonsense", "the arguments are not valid JSON"),
        ('{"code": "1 + 1"', "the arguments are not valid JSON"),
        ("", 'the argument "code" is missing'),
        ("{}", 'the argument "code" is missing'),
        ("[]", "the arguments are a JSON list, and must be an object"),
        ('"1 + 1"', "the arguments are a JSON str, and must be an object"),
        ("null", "the arguments are a JSON NoneType, and must be an object"),
        ('{"code": 5}', 'the argument "code" is missing'),
        ('{"code": null}', 'the argument "code" is missing'),
        ('{"code": ["1"]}', 'the argument "code" is missing'),
        ('{"Code": "1"}', 'the argument "code" is missing'),
        ("[" * 5000, "the arguments are not valid JSON"),
        ('{"code": "1", "n": ' + "9" * 5000 + "}", "the arguments are not valid JSON"),
        (r'{"code": "\ud83d"}', "the code is not valid Unicode"),
        (r'{"code": "\u0000"}', "the code has a NUL byte"),
    ],
)
async def test_what_is_no_call_of_python_is_told_to_the_model(
    place: Place, model: ScriptedModel, arguments: str, why: str
) -> None:
    model.script(call(("python", arguments)), say("Sorry."))
    events = await place.events()
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "Sorry."
    item, _ = last.response.output
    assert (item.type, item.status) == ("code_interpreter_call", "failed")
    [answer] = told(model.requests[1].body)
    assert answer.startswith(f"[not run: {why}")
    assert item.outputs[0].logs == answer
    assert_well_formed(model.requests[1].body)
    # What is stored is as fit to go on from.
    model.script(say("Once more."))
    assert (await place.ask(previous_response_id=last.response.id)).output_text == "Once more."
    assert_well_formed(model.requests[2].body)
    assert told(model.requests[2].body) == [answer]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("{nonsense", "the arguments are not valid JSON"),
        ('{"commands": "ls"}', 'the argument "commands" must be a list'),
        ('{"commands": []}', 'the argument "commands" must be a list'),
        ('{"commands": [5]}', 'the argument "commands" must be a list'),
        (json.dumps({"commands": ["true"] * 999}), "999 commands at once"),
    ],
)
async def test_what_is_no_call_of_the_shell_is_told_to_the_model(
    place: Place, model: ScriptedModel, arguments: str, why: str
) -> None:
    model.script(call(("shell", arguments)), say("Sorry."))
    last = (await place.events(tools=[SHELL]))[-1]
    assert (last.type, last.response.output_text) == ("response.completed", "Sorry.")
    assert [(item.type, item.status) for item in last.response.output[1:2]] == [("shell_call_output", "incomplete")]
    assert told(model.requests[1].body)[0].startswith(f"[not run: {why}")
    assert_well_formed(model.requests[1].body)
    model.script(say("Once more."))
    assert (await place.ask(previous_response_id=last.response.id, tools=[SHELL])).output_text == "Once more."
    assert_well_formed(model.requests[2].body)


@pytest.mark.parametrize("timeout_ms", [10**30, 1e300, -5, "soon", [[[]]], True])
async def test_odd_wishes_of_a_shell_call_do_no_harm(place: Place, model: ScriptedModel, timeout_ms: object) -> None:
    wishes = {"commands": ["echo hello"], "timeout_ms": timeout_ms, "max_output_length": timeout_ms, "more": "x"}
    model.script(call(("shell", wishes)), say("Done."))
    last = (await place.events(tools=[SHELL]))[-1]
    assert last.type == "response.completed"
    call_item, output, _ = last.response.output
    assert (call_item.status, output.output[0].stdout) == ("completed", "hello\n")
    assert set(call_item.action.to_dict()) == {"commands", "timeout_ms", "max_output_length"}


@pytest.mark.parametrize("name", ["", "python3", "my tool!", "x" * 300, "weather.now"])
async def test_a_tool_that_nobody_has_is_told_to_the_model(place: Place, model: ScriptedModel, name: str) -> None:
    model.script(call((name, {"code": "1"}), ("python", {"code": "6 * 7"})), say("Done."))
    response = await place.ask()
    assert (response.status, response.output_text) == ("completed", "Done.")
    assert [item.type for item in response.output] == ["code_interpreter_call", "message"]
    assert told(model.requests[1].body) == [f"[not run: there is no tool {name[:64]!r}; there are: python]", "42"]
    assert_well_formed(model.requests[1].body)


async def test_a_model_that_calls_what_it_was_not_offered_is_told(place: Place, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "1"})), say("Done."))
    response = await place.ask(tools=[WEATHER], include=[])
    assert response.output_text == "Done."
    assert told(model.requests[1].body) == ["[not run: there is no tool 'python'; there are: weather]"]


async def test_a_clients_function_gets_its_arguments_whatever_they_are(place: Place, model: ScriptedModel) -> None:
    model.script(call(("weather", "{nonsense")))
    response = await place.ask(tools=[WEATHER], include=[])
    [item] = response.output
    assert item.type == "function_call"
    assert (response.status, item.status, item.arguments) == ("completed", "completed", "{nonsense")
    model.script(say("Done."))
    output = {"type": "function_call_output", "call_id": item.call_id, "output": "That was no JSON."}
    answer = await place.ask(previous_response_id=response.id, input=[output], tools=[WEATHER], include=[])
    assert answer.output_text == "Done."
    assert_well_formed(model.requests[1].body)


async def test_ids_of_a_models_own_are_never_those_of_the_transcript(place: Place, model: ScriptedModel) -> None:
    calls = ("python", {"code": "1"}), ("python", {"code": "2"})
    model.script(call(*calls, ids=["same", "same"], whole_calls=True), call(*calls, no_ids=True), say("Done."))
    response = await place.ask(include=OUTPUTS, tools=[PYTHON])
    assert response.status == "completed"
    assert_well_formed(model.requests[2].body)


async def test_line_breaks_within_strings_are_borne(place: Place, model: ScriptedModel) -> None:
    model.script(call(("python", '{"code": "a = 6\nb = 7\na * b"}')), say("Done."))
    await place.ask()
    assert told(model.requests[1].body) == ["42"]
    assert_well_formed(model.requests[1].body)


async def test_an_error_is_no_fault_of_the_turn(place: Place, model: ScriptedModel) -> None:
    model.script(run("1 / 0"), run("import os; os._exit(3)"), say("Sorry."))
    response = await place.ask()
    assert (response.status, response.output_text) == ("completed", "Sorry.")
    first, second = told(model.requests[2].body)
    assert first.endswith("ZeroDivisionError: division by zero")
    assert "the interpreter was started anew" in second


def assert_well_formed(body: Json) -> None:
    """What strict servers ask of a transcript: each call has a name, a JSON object, an id of its own and an answer."""
    open_calls: list[str] = []
    seen: set[str] = set()
    for message in body["messages"]:
        assert isinstance(message["content"], str | list)
        if message["role"] == "tool":
            open_calls.remove(message["tool_call_id"])
            continue
        assert open_calls == []
        for made in message.get("tool_calls", ()):
            assert re.fullmatch("[a-zA-Z0-9_-]{1,64}", made["function"]["name"])
            assert isinstance(json.loads(made["function"]["arguments"]), dict)
            assert made["id"] not in seen
            seen.add(made["id"])
            open_calls.append(made["id"])
    assert open_calls == []
