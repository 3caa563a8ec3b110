"""Functions of the client's own that code calls: the execution pauses, and goes on in the next response."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from insitu.settings import Settings
from tests.dialects.openai.programs import GATHER, GONE, ONE, TWICE
from tests.support.containers import listed
from tests.support.model import Json, ScriptedModel, call, say
from tests.support.responses import PYTHON, WEATHER, ask, calls, kinds, logs, order, run, stream, told
from tests.support.serving import serving
from tests.support.turns import output, statuses

pytestmark = pytest.mark.client("openai")

BY_CODE = {**WEATHER, "allowed_callers": ["programmatic"]}
TOOLS = [PYTHON, BY_CODE]


def functions(response: Any) -> list[Any]:
    """The calls that the client is to answer."""
    return [item for item in response.output if item.type == "function_call"]


def answers(response: Any, **by_city: Any) -> list[Any]:
    """Answers to those of its calls whose city is named."""
    cities = {json.loads(made.arguments)["city"]: made.call_id for made in functions(response)}
    return [answer_to(cities[city], answer) for city, answer in by_city.items()]


def answer_to(call_id: str, answer: Any) -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": answer}


def go_on(client: OpenAI, response: Any, given: list[Any], **asked: Any) -> Any:
    return ask(client, **{"tools": TOOLS, "input": given, "previous_response_id": response.id, **asked})


@pytest.mark.shows("code calls")
def test_code_pauses_and_the_same_execution_goes_on(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), run("x + 3"), say("Rain."))
    first = ask(client, tools=TOOLS)
    assert (first.status, statuses(first)) == (
        "completed",
        [("code_interpreter_call", "in_progress"), ("function_call", "completed")],
    )
    [made] = functions(first)
    assert (made.name, json.loads(made.arguments)) == ("weather", {"city": "Ulm"})
    assert made.caller.type == "program"
    assert made.caller.caller_id == output(first)[0]["insitu"]["call_id"]
    second = go_on(client, first, answers(first, Ulm="rain"))
    assert (second.output_text, logs(second)) == ("Rain.", ["rain 42", "43"])
    assert statuses(second)[0] == ("code_interpreter_call", "completed")
    assert calls(second)[0].code == ONE
    assert {each.container_id for each in calls(second)} == {calls(first)[0].container_id}
    asked, resumed, _ = [received.body for received in model.requests]
    assert resumed["messages"][:-1] == [*asked["messages"], resumed["messages"][-2]]
    assert told(resumed) == ["rain 42"]
    assert [each["function"]["name"] for each in resumed["messages"][-2]["tool_calls"]] == ["python"]


def test_the_model_is_told_of_it_in_the_description_alone(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Hello."), say("Hello."))
    ask(client, tools=TOOLS)
    ask(client, tools=[PYTHON, {**WEATHER, "allowed_callers": ["direct", "code_interpreter"]}])
    one, both = [received.body["tools"] for received in model.requests]
    assert [tool["function"]["name"] for tool in one] == ["python"]
    assert [tool["function"]["name"] for tool in both] == ["python", "weather"]
    assert "\n- tools.weather(city: str): The weather in a city." in one[0]["function"]["description"]
    assert "allowed_callers" not in json.dumps(both)


def test_the_events_are_openais(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."))
    events = stream(client, tools=TOOLS)
    assert order(events)[-8:] == [
        ("code_interpreter_call_code.done", 0),
        ("code_interpreter_call.interpreting", 0),
        ("output_item.done", 0, "code_interpreter_call"),
        ("output_item.added", 1, "function_call"),
        ("function_call_arguments.delta", 1),
        ("function_call_arguments.done", 1),
        ("output_item.done", 1, "function_call"),
        ("completed",),
    ]
    first = events[-1].response
    more = stream(client, tools=TOOLS, input=answers(first, Ulm="rain"), previous_response_id=first.id)
    assert order(more)[:8] == [
        ("created",),
        ("in_progress",),
        ("output_item.added", 0, "code_interpreter_call"),
        ("code_interpreter_call.in_progress", 0),
        ("code_interpreter_call_code.delta", 0),
        ("code_interpreter_call_code.done", 0),
        ("code_interpreter_call.interpreting", 0),
        ("insitu.output.delta", 0),
    ]
    assert more[-1].response.output_text == "Rain."


def test_the_stream_helper_takes_both(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."))
    asked: Any = {"model": "m", "tools": TOOLS}
    with client.responses.stream(input="How is it?", **asked) as events:
        first = events.get_final_response()
    with client.responses.stream(input=answers(first, Ulm="rain"), previous_response_id=first.id, **asked) as events:
        assert events.get_final_response().output_text == "Rain."


def test_calls_side_by_side_come_together(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(GATHER), say("Done."))
    first = ask(client, tools=TOOLS)
    assert len(functions(first)) == 3
    second = go_on(client, first, answers(first, Rom="sun", Oslo='{"snow": 3}', Ulm="4"))
    assert (second.output_text, logs(second)) == ("Done.", ["[4, 'sun', {'snow': 3}]"])


def test_what_is_not_answered_is_asked_for_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(GATHER), say("Done."))
    first = ask(client, tools=TOOLS)
    second = go_on(client, first, answers(first, Rom="sun"))
    assert kinds(second) == ["function_call", "function_call"]
    left = {made.call_id for made in functions(first)} - {answers(first, Rom="")[0]["call_id"]}
    assert {made.call_id for made in functions(second)} == left
    third = go_on(client, second, answers(second, Ulm="rain", Oslo="snow"))
    assert logs(third) == ["['rain', 'sun', 'snow']"]
    assert told(model.requests[1].body) == logs(third)


def test_code_that_calls_again_pauses_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(TWICE), say("Done."), say("Yes."))
    first = ask(client, tools=TOOLS)
    second = go_on(client, first, answers(first, Ulm="Rom"))
    assert kinds(second) == ["function_call"]
    third = go_on(client, second, answers(second, Rom="sun"))
    assert (third.output_text, logs(third)) == ("Done.", ["sun"])
    assert [each["name"] for each in output(third)[0]["insitu"]["tools_called"]] == ["weather"] * 2
    assert go_on(client, third, [{"role": "user", "content": "Really?"}]).output_text == "Yes."
    assert [message["role"] for message in model.requests[-1].body["messages"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert len(model.requests) == 3


@pytest.mark.parametrize("stored", [True, False])
def test_it_goes_on_from_items_that_are_sent_back(client: OpenAI, model: ScriptedModel, stored: bool) -> None:
    model.script(run(TWICE), say("Done."))
    given: list[Any] = [{"role": "user", "content": "How is it?"}]
    response = ask(client, tools=TOOLS, input=given, store=stored)
    for answer in ({"Ulm": "Rom"}, {"Rom": "sun"}):
        items = [item.model_dump(exclude_none=True) for item in response.output]
        given += [*items, *answers(response, **answer)]
        response = ask(client, tools=TOOLS, input=given, store=stored)
    assert (response.output_text, logs(response)) == ("Done.", ["sun"])
    assert told(model.requests[1].body) == ["sun"]
    assert [message["role"] for message in model.requests[1].body["messages"]] == ["user", "assistant", "tool"]


def test_it_goes_on_where_the_calls_alone_are_sent_back(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Done."), say("Yes."))
    first = ask(client, tools=TOOLS, store=False)
    plain = [made.model_dump(include={"type", "call_id", "name", "arguments"}) for made in functions(first)]
    given: list[Any] = [{"role": "user", "content": "How is it?"}, *plain, *answers(first, Ulm="rain")]
    second = ask(client, tools=TOOLS, store=False, input=given)
    assert (second.output_text, logs(second)) == ("Done.", ["rain 42"])
    given += [{"role": "assistant", "content": "Done."}, {"role": "user", "content": "Really?"}]
    assert kinds(ask(client, tools=TOOLS, store=False, input=given)) == ["message"]
    assert [told(received.body) for received in model.requests[1:]] == [["rain 42"], ["rain 42"]]


def test_it_goes_on_in_a_conversation(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Done."), say("Yes."))
    conversation = client.conversations.create().id
    first = ask(client, tools=TOOLS, conversation=conversation)
    second = ask(client, tools=TOOLS, input=answers(first, Ulm="rain"), conversation=conversation)
    assert (second.output_text, logs(second)) == ("Done.", ["rain 42"])
    assert ask(client, tools=TOOLS, input="Really?", conversation=conversation).output_text == "Yes."
    assert told(model.requests[2].body) == ["rain 42"]


@pytest.mark.parametrize("answered", [True, False])
def test_a_request_that_is_sent_again_runs_nothing_again(client: OpenAI, model: ScriptedModel, answered: bool) -> None:
    code = f"n = globals().get('n', 0) + 1\n{TWICE}\nprint(n)"
    model.script(run(code), say("Done."), say("Done again."), run("n"), say("One."))
    first = ask(client, tools=TOOLS)
    given = answers(first, Ulm="Rom")
    second, again = (go_on(client, first, given) for _ in range(2))
    assert [made.call_id for made in functions(second)] == [made.call_id for made in functions(again)]
    given = answers(second, Rom="sun")
    third = go_on(client, second, given)
    assert (third.output_text, logs(third)) == ("Done.", ["sun\n1"])
    fourth = go_on(client, second, [answer_to(given[0]["call_id"], "hail")] if answered else given)
    assert (fourth.output_text, logs(fourth)) == ("Done again.", ["sun\n1"])
    assert logs(go_on(client, fourth, [{"role": "user", "content": "n?"}])) == ["1"]


def test_a_function_of_both_goes_to_the_client_in_one_response(client: OpenAI, model: ScriptedModel) -> None:
    both = [PYTHON, {**WEATHER, "allowed_callers": ["direct", "programmatic"]}]
    model.script(call(("python", {"code": ONE}), ("weather", {"city": "Rom"})), say("Done."))
    first = ask(client, tools=both)
    assert sorted(statuses(first)) == [
        ("code_interpreter_call", "in_progress"),
        ("function_call", "completed"),
        ("function_call", "completed"),
    ]
    second = go_on(client, first, answers(first, Ulm="rain", Rom="sun"), tools=both)
    assert second.output_text == "Done."
    assert sorted(told(model.requests[1].body)) == ["rain 42", "sun"]


def test_code_behind_code_that_waits_comes_after_it(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE, "x"), say("Done."))
    first = ask(client, tools=TOOLS)
    assert kinds(first) == ["code_interpreter_call", "code_interpreter_call", "function_call"]
    second = go_on(client, first, answers(first, Ulm="rain"))
    assert sorted(logs(second)) == ["40", "rain 42"]
    assert told(model.requests[1].body) == ["rain 42", "40"]


def test_what_must_be_called_has_been_called_when_it_goes_on(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Done."))
    first = ask(client, tools=TOOLS, tool_choice="required")
    assert go_on(client, first, answers(first, Ulm="rain"), tool_choice="required").output_text == "Done."
    assert [received.body.get("tool_choice") for received in model.requests] == ["required", None]


def test_without_an_answer_it_is_refused_as_by_openai(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Done."))
    first = ask(client, tools=TOOLS)
    call_id = functions(first)[0].call_id
    with pytest.raises(BadRequestError, match=f"No tool output found for function call {call_id}"):
        go_on(client, first, [{"role": "user", "content": "Never mind."}])
    assert logs(go_on(client, first, answers(first, Ulm="rain"))) == ["rain 42"]


def test_it_is_nothing_to_another_owner(client: OpenAI, stranger: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Who?"), say("Done."))
    first = ask(client, tools=TOOLS)
    given = answers(first, Ulm="rain")
    with pytest.raises(BadRequestError, match="not found"):
        go_on(stranger, first, given)
    items = [item.model_dump(exclude_none=True) for item in first.output]
    assert ask(stranger, tools=TOOLS, input=[*items, *given]).output_text == "Who?"
    assert told(model.requests[1].body)[0].startswith(GONE)
    assert logs(go_on(client, first, given)) == ["rain 42"]


def test_the_end_of_the_session_is_told_to_the_model(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Sorry."))
    first = ask(client, tools=TOOLS)
    client.containers.delete(calls(first)[0].container_id)
    second = go_on(client, first, answers(first, Ulm="rain"))
    assert second.output_text == "Sorry."
    [answer] = told(model.requests[1].body)
    assert "Cancelled: the execution was interrupted\n" in answer
    assert answer.endswith("[the sandbox is gone, with its variables and files; the next call gets a new one]")


def test_a_container_by_name_that_is_gone_is_an_error(client: OpenAI, model: ScriptedModel) -> None:
    container = client.containers.create(name="mine").id
    tools = [{**PYTHON, "container": container}, BY_CODE]
    model.script(run(ONE))
    first = ask(client, tools=tools)
    client.containers.delete(container)
    with pytest.raises(NotFoundError):
        go_on(client, first, answers(first, Ulm="rain"), tools=tools)


def test_a_server_that_has_started_anew_says_that_the_code_is_gone(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    same = settings()
    model.script(run(ONE), say("Sorry."), say("Yes."))
    with serving(same) as url:
        first = ask(connect(url), tools=TOOLS)
    with serving(same) as url:
        client = connect(url)
        second = go_on(client, first, answers(first, Ulm="rain"))
        assert second.output_text == "Sorry."
        assert told(model.requests[1].body)[0].startswith(GONE)
        assert go_on(client, second, [{"role": "user", "content": "Really?"}]).output_text == "Yes."
        assert told(model.requests[2].body)[0].startswith(GONE)


def test_who_answers_too_late_finds_that_the_code_went_on(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    client = connect(serve(tool_wait_s=0.2))
    code = (
        "try:\n    tools.weather(city='Ulm')\nexcept TimeoutError:\n    print('nobody')\n    open('done', 'w').close()"
    )
    model.script(run(code), say("Sorry."))
    first = ask(client, tools=TOOLS)
    container = calls(first)[0].container_id
    while "/mnt/data/done" not in listed(client, container):
        pass
    second = go_on(client, first, answers(first, Ulm="rain"))
    assert (second.output_text, logs(second)) == ("Sorry.", ["nobody"])


def test_too_many_that_wait_are_not_kept(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    client = connect(serve(max_turns_per_owner=1))
    model.script(run(ONE), run(ONE), say("Sorry."), say("Done."))
    first = ask(client, tools=TOOLS)
    other = ask(client, tools=TOOLS)
    assert (kinds(other), other.output_text) == (["code_interpreter_call", "message"], "Sorry.")
    assert "RuntimeError: too much other code waits for the client's answers already" in logs(other)[0]
    assert logs(go_on(client, first, answers(first, Ulm="rain"))) == ["rain 42"]


def test_steps_are_counted_in_each_response(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(TWICE), say("Done."))
    once: Json = {"extra_body": {"insitu": {"max_steps": 2}}}
    first = ask(client, tools=TOOLS, **once)
    second = go_on(client, first, answers(first, Ulm="Rom"), **once)
    third = go_on(client, second, answers(second, Rom="sun"), **once)
    assert (third.status, third.output_text) == ("completed", "Done.")
    usages = [response.usage for response in (first, second, third)]
    assert [usage.total_tokens if usage else None for usage in usages] == [15, 0, 15]


@pytest.mark.parametrize("callers", ["code_interpreter", ["model"], [1], {}])
def test_callers_that_nobody_knows_are_refused(client: OpenAI, callers: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(client, tools=[PYTHON, {**WEATHER, "allowed_callers": callers}])
    assert caught.value.param == "tools[1].allowed_callers"


def test_code_that_is_to_call_needs_code(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="there is no code_interpreter among the tools"):
        ask(client, tools=[{**WEATHER, "allowed_callers": ["code_interpreter"]}])


def test_a_schema_that_is_none_is_refused(client: OpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(client, tools=[PYTHON, {**BY_CODE, "parameters": {"type": "nonsense"}}])
    assert caught.value.param == "tools[1]"
