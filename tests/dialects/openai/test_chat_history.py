"""Conversations in chat completions: the client's own functions beside code, and the container that is found again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from insitu.settings import Settings
from tests.support.chat import ASKED, PYTHON, QUESTION, WEATHER, ask, deltas, insitu, said, steps, stream
from tests.support.model import Json, ScriptedModel, call, say
from tests.support.responses import run, told
from tests.support.serving import serving

pytestmark = pytest.mark.client("openai", "chat completions")

TOOLS = [PYTHON, WEATHER]
IN_PARIS = ("weather", {"city": "Paris"})
GONE = "[The sandbox of the earlier code has expired: its variables and files are gone.]"
DOT = "class Dot:\n def _repr_png_(self): return b'\\x89PNG....'\nDot()"


def answered(completion: ChatCompletion, *outputs: str, question: Json = QUESTION) -> list[Any]:
    """The conversation as the official client has it when its functions have been called."""
    results = [
        {"role": "tool", "tool_call_id": called.id, "content": output}
        for called, output in zip(calls_of(completion), outputs, strict=True)
    ]
    return [question, completion.choices[0].message, *results]


def calls_of(completion: ChatCompletion) -> list[Any]:
    """The calls of the client's own functions."""
    return list(completion.choices[0].message.tool_calls or ())


def roles(messages: Sequence[Json]) -> list[str]:
    return [message["role"] for message in messages]


@pytest.mark.shows("functions")
def test_a_clients_function_comes_back_to_it_and_the_turn_goes_on(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 41", text="First."), call(("python", {"code": "x + 1"}), IN_PARIS, text="Then."))
    first = ask(client, tools=TOOLS)
    [choice] = first.choices
    assert choice.finish_reason == "tool_calls"
    [called] = calls_of(first)
    assert (called.function.name, json.loads(called.function.arguments)) == ("weather", {"city": "Paris"})
    assert [step["results"] for step in steps(first)] == [[], ["42"]]

    model.script(run("x + 2"), say("It rains."))
    second = ask(client, tools=TOOLS, messages=answered(first, "rain"))
    assert (said(second), steps(second)[0]["results"]) == ("It rains.", ["43"])
    assert insitu(second)["container_id"] == insitu(first)["container_id"]

    _, before, sent, _ = [received.body["messages"] for received in model.requests]
    assert roles(sent) == ["user", "assistant", "tool", "assistant", "tool", "tool"]
    assert sent[:3] == before
    assert [made["function"]["name"] for made in sent[3]["tool_calls"]] == ["python", "weather"]
    assert [(m["tool_call_id"], m["content"]) for m in sent[4:]] == [
        (sent[3]["tool_calls"][0]["id"], "42"),
        (called.id, "rain"),
    ]


def test_it_is_the_same_streamed(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "6*7"}), IN_PARIS, ("weather", {"city": "Rome"})))
    with client.chat.completions.stream(**{**ASKED, "tools": TOOLS}) as events:
        first = events.get_final_completion()
    assert first.choices[0].finish_reason == "tool_calls"
    assert [json.loads(each.function.arguments)["city"] for each in calls_of(first)] == ["Paris", "Rome"]
    model.script(say("It rains."))
    history = [*answered(first, "rain", "sun")]
    assert said(ask(client, tools=TOOLS, messages=history)) == "It rains."
    assert told(model.requests[1].body) == ["42", "rain", "sun"]


def test_a_function_alone_is_streamed_as_openai_streams_it(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("weather", '{"city": "Paris"}')))
    chunks = stream(client, tools=TOOLS)
    first, second, *others = deltas(chunks)
    assert first == {"role": "assistant", "content": "", "refusal": None}
    [begun] = second["tool_calls"]
    assert begun.pop("id").startswith("call_")
    assert begun == {"index": 0, "type": "function", "function": {"name": "weather", "arguments": ""}}
    written = [each["tool_calls"][0] for each in others if "tool_calls" in each]
    assert written[0] == {"index": 0, "function": {"arguments": '{"city":'}}
    assert "".join(each["function"]["arguments"] for each in written) == '{"city": "Paris"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_what_is_hidden_is_no_item_of_responses(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "6*7"}), IN_PARIS))
    [hidden] = calls_of(ask(client, tools=TOOLS))
    with pytest.raises(openai.NotFoundError, match="not found"):
        client.responses.create(model="m", input=[{"type": "item_reference", "id": hidden.id}])
    with pytest.raises(openai.NotFoundError, match="not found"):
        client.conversations.create(items=[{"type": "item_reference", "id": hidden.id}])


def test_what_is_hidden_is_the_owners_alone(client: OpenAI, stranger: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "6*7"}), IN_PARIS), say("It rains."))
    first = ask(client, tools=TOOLS)
    ask(stranger, tools=TOOLS, messages=answered(first, "rain"))
    assert told(model.requests[1].body) == ["rain"]


def test_calls_that_nobody_knows_stay_as_they_are(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("It rains."))
    called = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    history: list[Any] = [
        QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ]
    ask(client, tools=TOOLS, messages=history)
    assert model.requests[0].body["messages"] == history


def test_figures_wait_until_all_outputs_are_there(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    client = connect(serve(vision_models="m"))
    model.script(call(("python", {"code": DOT}), IN_PARIS), say("It rains."))
    first = ask(client, tools=TOOLS)
    ask(client, tools=TOOLS, messages=[*answered(first, "rain"), {"role": "user", "content": "Well?"}])
    sent = model.requests[1].body["messages"]
    assert roles(sent) == ["user", "assistant", "tool", "tool", "user", "user"]
    assert [part["type"] for part in sent[4]["content"]] == ["text", "image_url"]


def test_a_clients_own_function_named_python_is_its_own(client: OpenAI, model: ScriptedModel) -> None:
    theirs = {"type": "function", "function": {"name": "python", "parameters": {"type": "object"}}}
    model.script(call(("insitu_python", {"code": "6*7"}), ("python", {"code": "mine"})))
    completion = ask(client, tools=[PYTHON, theirs])
    assert [step["code"] for step in steps(completion)] == ["6*7"]
    [called] = calls_of(completion)
    assert called.function.arguments == '{"code": "mine"}'


@pytest.mark.shows("state")
def test_the_container_is_found_again_by_the_message(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 41"), say("Yes."), say("No code now."), run("x + 1"), say("42"))
    history: list[Any] = [QUESTION]
    completions = []
    for _ in range(3):
        completions.append(ask(client, messages=history))
        history += [completions[-1].choices[0].message, QUESTION]
    assert [step["results"] for step in steps(completions[2])] == [["42"]]
    assert len({insitu(completion)["container_id"] for completion in completions}) == 1
    assert all("insitu" not in message for received in model.requests for message in received.body["messages"])


def test_a_container_can_be_named(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 41"), say("Yes."), run("x + 1"), say("42"))
    container_id = insitu(ask(client))["container_id"]
    again = ask(client, tools=[{**PYTHON, "container": container_id}])
    assert (steps(again)[0]["results"], insitu(again)["container_id"]) == (["42"], container_id)


def test_another_owners_container_is_not_there(client: OpenAI, stranger: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 41"), say("Yes."), run("'x' in dir()"), say("No."))
    first = ask(client)
    container_id = insitu(first)["container_id"]
    with pytest.raises(openai.NotFoundError):
        ask(stranger, tools=[{**PYTHON, "container": container_id}])
    theirs = ask(stranger, messages=[QUESTION, first.choices[0].message, QUESTION])
    assert steps(theirs)[0]["results"] == ["False"]
    assert insitu(theirs)["container_id"] != container_id


def test_a_container_that_has_expired_is_replaced_and_the_model_told(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    same = settings()
    model.script(run("x = 41"), say("Yes."), run("'x' in dir()"), say("No."))
    with serving(same) as url:
        first = ask(connect(url))
    history: list[Any] = [{"role": "system", "content": "Be brief."}, QUESTION, first.choices[0].message, QUESTION]
    with serving(same) as url:
        client = connect(url)
        second = ask(client, messages=history)
        with pytest.raises(openai.NotFoundError) as caught:
            ask(client, tools=[{**PYTHON, "container": insitu(first)["container_id"]}])
    assert caught.value.code == "container_expired"
    assert steps(second)[0]["results"] == ["False"]
    assert insitu(second)["container_id"] != insitu(first)["container_id"]
    assert model.requests[2].body["messages"][0] == {"role": "system", "content": f"Be brief.\n\n{GONE}"}


def test_hidden_calls_outlive_the_server(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    same = settings()
    model.script(call(("python", {"code": "6*7"}), IN_PARIS), say("It rains."))
    with serving(same) as url:
        first = ask(connect(url), tools=TOOLS)
    with serving(same) as url:
        ask(connect(url), tools=TOOLS, messages=answered(first, "rain"))
    assert told(model.requests[1].body) == ["42", "rain"]
    assert model.requests[1].body["messages"][0] == {"role": "system", "content": GONE}
