"""The client's tools called by code: the execution pauses, and goes on with the next message."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from anthropic import Anthropic, beta_tool

from insitu.settings import Settings
from tests.dialects.openai.programs import GATHER, GONE, ONE, TWICE
from tests.support.anthropic_errors import refused
from tests.support.messages import (
    ASKED,
    BY_CODE,
    CODE,
    QUESTION,
    WEATHER,
    answer,
    ask,
    client_uses,
    conversation,
    kinds,
    results,
    stream,
    text,
    uses,
)
from tests.support.model import Json, ScriptedModel, call, say
from tests.support.responses import run, told
from tests.support.serving import serving

pytestmark = pytest.mark.client("anthropic")
TOOLS = [CODE, BY_CODE]


def answers(message: Any, **by_city: Any) -> list[Json]:
    """Answers to those of its uses whose city is named."""
    return [answer(use, by_city[use.input["city"]]) for use in client_uses(message) if use.input["city"] in by_city]


def go_on(client: Anthropic, *turns: Any, **asked: Any) -> Any:
    return ask(client, **{"tools": TOOLS, "messages": conversation(*turns), **asked})


@pytest.mark.shows("code calls")
def test_code_pauses_and_the_same_execution_goes_on(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(ONE), run("x + 3"), say("Rain."))
    first = ask(anthropic_client, tools=TOOLS)
    assert (kinds(first), first.stop_reason) == (["server_tool_use", "tool_use"], "tool_use")
    [use], [called] = uses(first), client_uses(first)
    assert (called.name, called.input) == ("weather", {"city": "Ulm"})
    assert called.caller.to_dict() == {"type": "code_execution_20250825", "tool_id": use.id}
    second = go_on(anthropic_client, first, answers(first, Ulm="rain"))
    assert kinds(second) == [
        "code_execution_tool_result",
        "server_tool_use",
        "code_execution_tool_result",
        "text",
    ]
    assert [each.stdout for each in results(second)] == ["rain 42\n", "43"]
    assert second.content[0].to_dict()["tool_use_id"] == use.id
    assert first.container and second.container and first.container.id == second.container.id
    asked, resumed, _ = [received.body["messages"] for received in model.requests]
    assert resumed[:-2] == asked
    assert [each["function"]["name"] for each in resumed[-2]["tool_calls"]] == ["python"]
    assert told(model.requests[1].body) == ["rain 42"]


def test_all_of_it_is_read_again_in_a_later_message(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."), say("Yes."))
    first = ask(anthropic_client, tools=TOOLS)
    given = answers(first, Ulm="rain")
    second = go_on(anthropic_client, first, given)
    third = go_on(anthropic_client, first, given, second, "Really?")
    assert text(third) == "Yes."
    before, after = [received.body["messages"] for received in model.requests[1:]]
    assert after == [*before, {"role": "assistant", "content": "Rain."}, {"role": "user", "content": "Really?"}]


def test_the_model_is_told_of_it_in_the_description_alone(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("Hello."), say("Hello."))
    ask(anthropic_client, tools=TOOLS)
    ask(anthropic_client, tools=[CODE, {**WEATHER, "allowed_callers": ["direct", "code_execution_20260521"]}])
    one, both = [received.body["tools"] for received in model.requests]
    assert [tool["function"]["name"] for tool in one] == ["python", "bash", "edit"]
    assert [tool["function"]["name"] for tool in both] == ["python", "bash", "edit", "weather"]
    assert "\n- tools.weather(city: str): The weather in a city." in one[0]["function"]["description"]
    assert "allowed_callers" not in json.dumps(both)


@pytest.mark.parametrize(
    ("version", "caller"),
    [
        ("code_execution_20250825", "code_execution_20250825"),
        ("code_execution_20260120", "code_execution_20260120"),
        ("code_execution_20260521", "code_execution_20260120"),
    ],
)
def test_the_caller_is_of_a_type_that_clients_know(
    anthropic_client: Anthropic, model: ScriptedModel, version: str, caller: str
) -> None:
    model.script(run(ONE), say("Rain."))
    tools = [{"type": version, "name": "code_execution"}, {**WEATHER, "allowed_callers": [version]}]
    first = ask(anthropic_client, tools=tools)
    assert client_uses(first)[0].caller.type == caller
    assert text(go_on(anthropic_client, first, answers(first, Ulm="rain"), tools=tools)) == "Rain."


def test_the_events_are_anthropics(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(ONE))
    events = stream(anthropic_client, tools=TOOLS)
    begun = [event.content_block.type for event in events if event.type == "content_block_start"]
    assert begun == ["server_tool_use", "tool_use"]
    pieces = [e.delta.partial_json for e in events if e.type == "content_block_delta" and e.index == 1]
    assert pieces == []
    assert [e.content_block.input for e in events if e.type == "content_block_start"] == [{}, {"city": "Ulm"}]


def test_the_stream_helper_takes_both(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."))
    given: Any = {**ASKED, "tools": TOOLS}
    with anthropic_client.messages.stream(**given) as events:
        first = events.get_final_message()
    given["messages"] = conversation(first, answers(first, Ulm="rain"))
    with anthropic_client.messages.stream(**given) as events:
        assert events.get_final_text() == "Rain."


def test_calls_side_by_side_come_together(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(GATHER), say("Done."))
    first = ask(anthropic_client, tools=TOOLS)
    assert len(client_uses(first)) == 3
    second = go_on(anthropic_client, first, answers(first, Rom="sun", Oslo='{"snow": 3}', Ulm="4"))
    assert results(second)[0].stdout == "[4, 'sun', {'snow': 3}]\n"


def test_what_stays_unanswered_is_told_again(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(GATHER), say("Done."))
    first = ask(anthropic_client, tools=TOOLS)
    given = answers(first, Rom="sun")
    second = go_on(anthropic_client, first, given)
    assert (kinds(second), second.stop_reason) == (["tool_use", "tool_use"], "tool_use")
    assert {use.id for use in client_uses(second)} < {use.id for use in client_uses(first)}
    assert {use.caller.tool_id for use in client_uses(second)} == {uses(first)[0].id}
    third = go_on(anthropic_client, first, given, second, answers(second, Ulm="4", Oslo="snow"))
    assert (kinds(third), results(third)[0].stdout) == (
        ["code_execution_tool_result", "text"],
        "[4, 'sun', 'snow']\n",
    )


def test_one_call_after_the_other(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(TWICE), say("Done."))
    first = ask(anthropic_client, tools=TOOLS)
    given = answers(first, Ulm="Rom")
    second = go_on(anthropic_client, first, given)
    assert kinds(second) == ["tool_use"]
    third = go_on(anthropic_client, first, given, second, answers(second, Rom="sun"))
    assert results(third)[0].stdout == "sun\n"


def test_a_failed_tool_raises_in_the_code(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("try: tools.weather(city='Ulm')\nexcept RuntimeError as exc: print('caught', exc)"), say("Sorry."))
    first = ask(anthropic_client, tools=TOOLS)
    [use] = client_uses(first)
    second = go_on(anthropic_client, first, [answer(use, "no such city", is_error=True)])
    assert results(second)[0].stdout == "caught no such city\n"


def test_a_client_that_drops_the_caller_is_understood(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."))
    first = ask(anthropic_client, tools=TOOLS)
    blocks = [{k: v for k, v in block.to_dict().items() if k != "caller"} for block in first.content]
    messages = [
        QUESTION,
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": answers(first, Ulm="rain")},
    ]
    assert text(ask(anthropic_client, tools=TOOLS, messages=messages)) == "Rain."
    assert told(model.requests[1].body) == ["rain 42"]


def test_a_tool_can_be_called_by_both_in_one_step(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    both = {**WEATHER, "allowed_callers": ["direct", "code_execution_20250825"]}
    model.script(call(("python", {"code": ONE}), ("weather", {"city": "Rom"})), say("Done."))
    first = ask(anthropic_client, tools=[CODE, both])
    assert sorted(use.caller is None for use in client_uses(first)) == [False, True]
    second = go_on(anthropic_client, first, answers(first, Ulm="rain", Rom="sun"), tools=[CODE, both])
    assert text(second) == "Done."
    assert sorted(told(model.requests[1].body)) == ["rain 42", "sun"]


def test_a_conversation_with_answers_can_be_sent_twice(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(
        run(ONE + "\nopen('n', 'a').write('1')"), say("Rain."), say("Rain again."), run("open('n').read()"), say("1")
    )
    first = ask(anthropic_client, tools=TOOLS)
    given = answers(first, Ulm="rain")
    assert text(go_on(anthropic_client, first, given)) == "Rain."
    again = go_on(anthropic_client, first, given)
    assert (text(again), results(again)[0].stdout) == ("Rain again.", "rain 42\n1")
    third = go_on(anthropic_client, first, given, again, "How often?")
    assert results(third)[0].stdout == "'1'"


def test_without_an_answer_it_is_refused_as_by_anthropic(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."))
    first = ask(anthropic_client, tools=TOOLS)
    [use] = client_uses(first)
    error = refused(lambda: go_on(anthropic_client, first, "Never mind."))
    assert f"`tool_use` ids were found without `tool_result` blocks immediately after: {use.id}." in str(
        error.api_message
    )
    assert text(go_on(anthropic_client, first, answers(first, Ulm="rain"))) == "Rain."


def test_it_is_nothing_to_another_owner(
    anthropic_client: Anthropic, anthropic_stranger: Anthropic, model: ScriptedModel
) -> None:
    model.script(run(ONE), say("Who?"), say("Rain."))
    first = ask(anthropic_client, tools=TOOLS)
    given = answers(first, Ulm="rain")
    theirs = go_on(anthropic_stranger, first, given)
    assert (text(theirs), results(theirs)[0].error_code) == ("Who?", "unavailable")
    assert told(model.requests[1].body)[0].startswith(GONE)
    assert results(go_on(anthropic_client, first, given))[0].stdout == "rain 42\n"


def test_a_server_that_has_started_anew_says_that_the_code_is_gone(
    settings: Callable[..., Settings], connect_anthropic: Callable[..., Anthropic], model: ScriptedModel
) -> None:
    same = settings()
    model.script(run(ONE), say("Sorry."), say("Yes."))
    with serving(same) as url:
        first = ask(connect_anthropic(url), tools=TOOLS)
    given = answers(first, Ulm="rain")
    with serving(same) as url:
        client = connect_anthropic(url)
        second = go_on(client, first, given)
        assert kinds(second) == ["code_execution_tool_result", "text"]
        assert (results(second)[0].error_code, text(second)) == ("unavailable", "Sorry.")
        assert text(go_on(client, first, given, second, "Really?")) == "Yes."
    assert [told(received.body)[0].startswith(GONE) for received in model.requests[1:]] == [True, True]


def test_the_sdks_tool_runner_goes_on_without_a_thread(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    @beta_tool(allowed_callers=["code_execution_20250825"])
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"rain in {city}"

    model.script(run(ONE), say("Rain."))
    given: Any = {**ASKED, "tools": [CODE, weather]}
    runner = anthropic_client.beta.messages.tool_runner(**given)
    last = list(runner)[-1]
    assert [block.text for block in last.content if block.type == "text"] == ["Rain."]
    assert told(model.requests[1].body) == ["rain in Ulm 42"]


def test_code_that_is_to_call_needs_code(anthropic_client: Anthropic) -> None:
    error = refused(lambda: ask(anthropic_client, tools=[BY_CODE]))
    assert "there is no code_execution tool" in str(error.api_message)


@pytest.mark.parametrize("callers", ["direct", ["model"], [1], {}])
def test_callers_that_nobody_knows_are_refused(anthropic_client: Anthropic, callers: Any) -> None:
    error = refused(lambda: ask(anthropic_client, tools=[CODE, {**WEATHER, "allowed_callers": callers}]))
    assert "tools.1.allowed_callers must be a list of some of: direct" in str(error.api_message)


def test_a_use_that_a_client_leaves_out_is_gone_on_with(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(ONE, ONE.replace("Ulm", "Rom")))
    first = ask(anthropic_client, tools=TOOLS)
    left_out = uses(first)[1]
    kept = {"role": "assistant", "content": [block for block in first.content if block is not left_out]}
    rain = {"role": "user", "content": answers(first, Ulm="rain")}
    second = ask(anthropic_client, tools=TOOLS, messages=[QUESTION, kept, rain])
    assert (kinds(second), results(second)[0].stdout) == (["code_execution_tool_result", "tool_use"], "rain 42\n")
    assert client_uses(second)[0].caller.tool_id == left_out.id
