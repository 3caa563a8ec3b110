"""Tools of the operator's that code calls in a turn: those that its request was granted, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from insitu.settings import Settings
from tests.support import chat
from tests.support.model import ScriptedModel, say
from tests.support.responses import PYTHON, WEATHER, ask, logs, of_type, order, run, stream
from tests.support.serving import serving
from tests.support.turns import output

FIND = "print(tools.find(name='Ulm')[0]['name'])"
BY_CODE = {**WEATHER, "allowed_callers": ["programmatic"]}


@pytest.fixture(scope="module")
def operated(settings: Callable[..., Settings], connect: Callable[..., OpenAI]) -> Iterator[Callable[..., OpenAI]]:
    """Makes clients of servers that have tools."""
    with ExitStack() as stack:

        def make(**others: Any) -> OpenAI:
            own = settings(tools=("tests.tools.operators",), fenced_models=("plain",), **others)
            return connect(stack.enter_context(serving(own)))

        yield make


@pytest.fixture(scope="module")
def client(operated: Callable[..., OpenAI]) -> OpenAI:
    return operated()


def granting(*names: str) -> Any:
    """What a request says of the tools that it wants."""
    return {"extra_body": {"insitu": {"tools": list(names)}}}


def description(model: ScriptedModel, request: int = 0) -> str:
    return str(model.requests[request].body["tools"][0]["function"]["description"])


def test_code_calls_what_the_request_was_granted(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(FIND), say("Found."))
    events = stream(client, **granting("find"))
    response = events[-1].response
    assert (response.output_text, logs(response)) == ("Found.", ["Ulm always"])
    [called] = of_type(events, "insitu.tool_call")
    assert (called.name, called.arguments, called.output_index) == ("find", '{"name": "Ulm"}', 0)
    places = [each[0] for each in order(events)]
    assert places.index("insitu.tool_call") < places.index("insitu.output.delta")
    assert output(response)[0]["insitu"] == {
        "tools_called": [{"call_id": called.call_id, "name": "find", "arguments": '{"name": "Ulm"}'}]
    }
    line = "\n- tools.find(name: str, since: str | None = None) -> list[dict]: Finds places by their names."
    assert description(model).endswith(f"There are:{line}")


def test_what_was_not_granted_is_not_there(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(FIND), say("No."), run("tools"), say("No."))
    assert "there is no tool 'find'; there are: size_of" in logs(ask(client, **granting("size_of")))[0]
    assert "find" not in logs(ask(client))[0]
    assert "tools." not in description(model, 2)


def test_a_star_grants_all(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("print({'find', 'hang', 'size_of'} <= {tool.__name__ for tool in tools})"), say("All."))
    assert logs(ask(client, **granting("*"))) == ["True"]


def test_a_tool_that_fails_is_an_exception_in_the_code(client: OpenAI, model: ScriptedModel) -> None:
    code = "try: tools.find(name='nowhere')\nexcept LookupError as error: print(error)"
    model.script(run(code), say("No."))
    assert logs(ask(client, **granting("find"))) == ["there is no place 'nowhere'"]


def test_a_tool_that_nobody_has_is_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match=r"there is no tool 'fly'; there are: .*find"):
        ask(client, **granting("fly"))
    with pytest.raises(BadRequestError, match=r"there is no tool 'fly'; there are: .*find"):
        chat.ask(client, **granting("fly"))


@pytest.mark.parametrize("wish", ["find", [1], {"find": True}])
def test_what_is_no_list_of_names_is_refused(client: OpenAI, wish: Any) -> None:
    for put in (ask, chat.ask):
        with pytest.raises(BadRequestError, match=r"insitu\.tools"):
            put(client, extra_body={"insitu": {"tools": wish}})


def test_the_operators_default_is_for_requests_that_say_nothing(
    operated: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    client = operated(turn_tools=("find", "of_a_server_that_is_down"))
    model.script(run(FIND), say("Found."), run(FIND), say("No."))
    assert logs(ask(client)) == ["Ulm always"]
    assert "name 'tools' is not defined" in logs(ask(client, **granting()))[0]


def test_chat_completions_tell_of_calls_too(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(FIND), say("Found."), run(FIND), say("Found."))
    [step] = chat.steps(chat.ask(client, **granting("find")))
    assert (step["stdout"], [each["name"] for each in step["tools_called"]]) == ("Ulm always\n", ["find"])
    told_of = [each.get("insitu") or {} for each in chat.deltas(chat.stream(client, **granting("find")))]
    [called] = [each["steps"][0] for each in told_of if each.get("type") == "tool_call"]
    call_id = called["tools_called"][0].pop("call_id")
    assert call_id.startswith("call_")
    assert called == {"index": 0, "tools_called": [{"index": 0, "name": "find", "arguments": '{"name": "Ulm"}'}]}


def test_of_two_of_one_name_it_is_the_clients(client: OpenAI, model: ScriptedModel) -> None:
    own = {**BY_CODE, "name": "find"}
    model.script(run("print(tools.find(city='Ulm'))"))
    response = ask(client, tools=[PYTHON, own], **granting("*"))
    assert [item["type"] for item in output(response)] == ["code_interpreter_call", "function_call"]


def test_both_kinds_run_side_by_side(client: OpenAI, model: ScriptedModel) -> None:
    code = """
import asyncio
async def both(): return await asyncio.gather(tools.find.aio(name="Ulm"), tools.weather.aio(city="Ulm"))
places, weather = await both()
print(places[0]["name"], weather)
"""
    model.script(run(code), say("Both."))
    first = ask(client, tools=[PYTHON, BY_CODE], **granting("find"))
    [called] = [item for item in first.output if item.type == "function_call"]
    answer: Any = {"type": "function_call_output", "call_id": called.call_id, "output": "rain"}
    second = ask(client, tools=[PYTHON, BY_CODE], input=[answer], previous_response_id=first.id, **granting("find"))
    assert logs(second) == ["Ulm always rain"]
    assert [each["name"] for each in output(second)[0]["insitu"]["tools_called"]] == ["find", "weather"]


def test_a_model_that_calls_no_tools_writes_code_that_does(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("```python\nprint(tools.weather(city=tools.find(name='Ulm')[0]['name']))\n```\n"), say("Rain."))
    asked: Any = {"model": "plain", "tools": [PYTHON, BY_CODE], **granting("find")}
    first = ask(client, **asked)
    [called] = [item for item in first.output if item.type == "function_call"]
    assert called.arguments == '{"city": "Ulm always"}'
    answer: Any = {"type": "function_call_output", "call_id": called.call_id, "output": "rain"}
    second = ask(client, input=[answer], previous_response_id=first.id, **asked)
    assert (second.output_text, logs(second)) == ("Rain.", ["rain"])
    assert "- tools.find(" in model.requests[0].body["messages"][0]["content"]
    assert model.requests[1].body["messages"][-1]["content"] == "Output:\n```\nrain\n```\n"


def test_many_are_described_as_far_as_there_is_room(client: OpenAI, model: ScriptedModel) -> None:
    many = [{**BY_CODE, "name": f"tool_{number:03}", "description": "long " * 100} for number in range(128)]
    model.script(say("So many."))
    ask(client, tools=[PYTHON, *many])
    about = description(model)
    assert len(about) < 10_000
    assert about.count("\n- tools.tool_") == 25
    assert "and, as help(tools.name) says: tool_025, tool_026" in about
    assert about.endswith(", and 3 others")
