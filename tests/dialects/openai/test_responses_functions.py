"""Functions of the client's own beside Python: the next response goes on with their outputs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.support.model import ScriptedModel, call, say
from tests.support.responses import PYTHON, WEATHER, ask, calls, deltas, kinds, logs, order, run, stream, told

pytestmark = pytest.mark.client("openai")

TOOLS = [PYTHON, WEATHER]
CITY = ("weather", {"city": "Ulm"})


def function(response: Any) -> Any:
    """Its one call of the client's function."""
    [found] = [item for item in response.output if item.type == "function_call"]
    return found


def answer(response: Any, output: Any = "rain") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": function(response).call_id, "output": output}


@pytest.mark.shows("functions")
def test_a_function_is_described_to_the_model_and_called_by_the_client(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(CITY, text="Let me look."))
    events = stream(client, tools=TOOLS)
    response = events[-1].response
    assert (kinds(response), response.status) == (["message", "function_call"], "completed")
    made = function(response)
    assert (made.name, json.loads(made.arguments), made.status) == ("weather", {"city": "Ulm"}, "completed")
    assert made.id.startswith("fc_") and made.call_id.startswith("call_")
    assert deltas(events, "function_call_arguments.delta") == made.arguments
    assert order(events)[-5:] == [
        ("output_item.added", 1, "function_call"),
        ("function_call_arguments.delta", 1),
        ("function_call_arguments.done", 1),
        ("output_item.done", 1, "function_call"),
        ("completed",),
    ]
    described = {name: value for name, value in WEATHER.items() if name != "type"}
    assert model.requests[0].body["tools"][1] == {"type": "function", "function": described}


def test_a_function_alone_needs_no_python(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(CITY, CITY), say("Rain."))
    first = ask(client, tools=[WEATHER])
    assert kinds(first) == ["function_call", "function_call"]
    outputs = [
        {"type": "function_call_output", "call_id": each.call_id, "output": "rain"}
        for each in first.output
        if each.type == "function_call"
    ]
    assert ask(client, tools=[WEATHER], input=outputs, previous_response_id=first.id).output_text == "Rain."
    assert told(model.requests[1].body) == ["rain", "rain"]


@pytest.mark.parametrize("replayed", [False, True])
@pytest.mark.parametrize("first_named", ["python", "weather"])
def test_a_turn_goes_on_in_the_same_session(
    client: OpenAI, model: ScriptedModel, replayed: bool, first_named: str
) -> None:
    both = [("python", {"code": "x = 41\nx"}), CITY]
    both.sort(key=lambda made: made[0] != first_named)
    model.script(call(*both), run("x + 1"), say("It rains; 42."))
    first = ask(client, tools=TOOLS)
    assert sorted(kinds(first)) == ["code_interpreter_call", "function_call"]
    assert logs(first) == ["41"]
    if replayed:
        question = {"role": "user", "content": "How much is it?"}
        items = [item.model_dump(exclude_none=True) for item in first.output]
        second = ask(client, tools=TOOLS, input=[question, *items, answer(first)])
    else:
        second = ask(client, tools=TOOLS, input=[answer(first)], previous_response_id=first.id)
    assert (kinds(second), logs(second)) == (["code_interpreter_call", "message"], ["42"])
    assert calls(second)[0].container_id == calls(first)[0].container_id
    messages = model.requests[1].body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    names = {made["id"]: made["function"]["name"] for made in messages[1]["tool_calls"]}
    assert list(names.values()) == [name for name, _ in both]
    assert {names[message["tool_call_id"]]: message["content"] for message in messages[2:]} == {
        "python": "41",
        "weather": "rain",
    }


def test_outputs_of_many_shapes_reach_the_model_as_text(client: OpenAI, model: ScriptedModel) -> None:
    outputs: list[tuple[Any, str]] = [
        ("rain", "rain"),
        ("", ""),
        ([{"type": "input_text", "text": "rain"}, {"type": "input_text", "text": "and wind"}], "rain\nand wind"),
    ]
    for output, text in outputs:
        model.script(call(CITY), say("I see."))
        first = ask(client, tools=TOOLS)
        ask(client, tools=TOOLS, input=[answer(first, output)], previous_response_id=first.id)
        assert told(model.requests[-1].body) == [text]


def test_arguments_are_the_clients_to_judge(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("weather", '{"city": "Ulm')), say("Then not."))
    first = ask(client, tools=TOOLS)
    assert function(first).arguments == '{"city": "Ulm'
    ask(client, tools=TOOLS, input=[answer(first, "no such city")], previous_response_id=first.id)
    # The model's server reads them again, and it is to read JSON.
    [made] = model.requests[1].body["messages"][1]["tool_calls"]
    assert json.loads(made["function"]["arguments"]) == {"not_json": '{"city": "Ulm'}


def test_a_function_of_the_name_python_is_the_clients(client: OpenAI, model: ScriptedModel) -> None:
    own = {**WEATHER, "name": "python"}
    other = {**WEATHER, "name": "insitu_python"}
    model.script(call(("python", {"city": "Ulm"}), ("insitu_insitu_python", {"code": "6*7"})))
    response = ask(client, tools=[PYTHON, own, other])
    assert (kinds(response), logs(response)) == (["function_call", "code_interpreter_call"], ["42"])
    names = [tool["function"]["name"] for tool in model.requests[0].body["tools"]]
    assert names == ["insitu_insitu_python", "python", "insitu_python"]


def test_a_call_without_an_output_is_refused(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(CITY, CITY))
    first = ask(client, tools=TOOLS)
    ids = [item.call_id for item in first.output if item.type == "function_call"]
    one = {"type": "function_call_output", "call_id": ids[0], "output": "rain"}
    for given, missing in (("And?", ids[0]), ([one], ids[1])):
        with pytest.raises(BadRequestError, match=f"No tool output found for function call {missing}") as caught:
            ask(client, tools=TOOLS, input=given, previous_response_id=first.id)
        assert caught.value.param == "input"
    assert len(model.requests) == 1


@pytest.mark.parametrize("replayed", [False, True])
def test_a_call_that_was_cut_off_needs_no_output(client: OpenAI, model: ScriptedModel, replayed: bool) -> None:
    model.script(call(CITY, ("weather", '{"city": "U'), finish_reason="length"), say("Sorry."))
    first = ask(client, tools=TOOLS)
    assert (first.status, [item.status for item in first.output if item.type == "function_call"]) == (
        "incomplete",
        ["incomplete", "incomplete"],
    )
    more: list[Any] = [{"role": "user", "content": "Go on."}]
    if replayed:
        items = [item.model_dump(exclude_none=True) for item in first.output]
        second = ask(client, tools=TOOLS, input=[{"role": "user", "content": "How much is it?"}, *items, *more])
    else:
        second = ask(client, tools=TOOLS, input=more, previous_response_id=first.id)
    assert second.output_text == "Sorry."
    assert model.requests[1].body["messages"] == [
        {"role": "user", "content": "How much is it?"},
        {"role": "user", "content": "Go on."},
    ]


def test_an_output_without_a_call_is_refused(client: OpenAI, model: ScriptedModel) -> None:
    output = {"type": "function_call_output", "call_id": "call_none", "output": "rain"}
    with pytest.raises(BadRequestError, match="No tool call found for function call output with call_id call_none"):
        ask(client, tools=TOOLS, input=[output])
    assert model.requests == []


def test_text_after_a_call_is_an_answer_all_the_same(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(CITY), say("Rain, I hear."), say("Yes."))
    first = ask(client, tools=TOOLS)
    second = ask(client, tools=TOOLS, input=[answer(first)], previous_response_id=first.id)
    third = ask(client, tools=TOOLS, input="Really?", previous_response_id=second.id)
    assert (second.output_text, third.output_text) == ("Rain, I hear.", "Yes.")
    assert [message["role"] for message in model.requests[2].body["messages"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
