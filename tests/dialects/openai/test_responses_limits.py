"""What bounds a response, what of the request reaches the model's server, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from insitu.settings import Settings
from tests.support.model import ScriptedModel, call, reason, say
from tests.support.responses import PYTHON, SHELL, WEATHER, ask, calls, kinds, logs, order, run, stream, told
from tests.support.serving import serving
from tests.support.steps import Json


def choices(model: ScriptedModel) -> list[Any]:
    """The choice of a tool in each request."""
    return [request.body.get("tool_choice") for request in model.requests]


def names(body: Json) -> list[str]:
    return [tool["function"]["name"] for tool in body.get("tools", ())]


def test_calls_beyond_the_most_are_not_run(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1", "2", "3"), say("Two of them."))
    response = ask(client, max_tool_calls=2)
    assert (kinds(response), logs(response)) == (["code_interpreter_call"] * 2 + ["message"], ["1", "2"])
    assert told(model.requests[1].body)[2] == "[not run: the request allows 2 calls; answer with what you have]"
    assert choices(model) == [None, "none"]


def test_calls_count_over_all_steps(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1"), run("2"), run("3"), say("Done."))
    response = ask(client, max_tool_calls=2)
    # The third was asked for although the model had been told that there is no tool any more.
    assert (logs(response), response.status) == (["1", "2"], "completed")
    assert choices(model) == [None, None, "none", "none"]


def test_no_calls_at_all(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("By heart."))
    assert kinds(ask(client, max_tool_calls=0)) == ["message"]
    assert choices(model) == ["none"]


def test_the_clients_functions_stay_when_the_servers_calls_are_used_up(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1"), call(("weather", {"city": "Ulm"})))
    response = ask(client, tools=[PYTHON, WEATHER], max_tool_calls=1)
    assert kinds(response) == ["code_interpreter_call", "function_call"]
    assert [names(request.body) for request in model.requests] == [["python", "weather"], ["weather"]]


def test_tokens_are_counted_over_all_steps(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1"), run("2"), say("Cut o", finish_reason="length"))
    response = ask(client, max_output_tokens=40)
    assert (response.status, response.output_text) == ("incomplete", "Cut o")
    assert response.incomplete_details is not None and response.incomplete_details.reason == "max_output_tokens"
    assert [request.body["max_tokens"] for request in model.requests] == [40, 35, 30]


def test_a_turn_ends_when_its_tokens_are_used_up(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1"), run("2"))
    events = stream(client, max_output_tokens=10)
    response = events[-1].response
    assert events[-1].type == "response.incomplete"
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert [item.status for item in calls(response)] == ["completed", "completed"]
    assert [request.body["max_tokens"] for request in model.requests] == [10, 5]


def test_a_call_that_was_cut_off_is_incomplete_and_not_run(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", '{"code": "print(1'), finish_reason="length"))
    response = ask(client, max_output_tokens=5)
    assert (response.status, [made.status for made in calls(response)]) == ("incomplete", ["incomplete"])
    assert (calls(response)[0].code, calls(response)[0].outputs) == ("print(1", [])


def test_what_was_cut_off_can_be_gone_on_from(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", '{"code": "print(1'), finish_reason="length"), say("Once more."))
    first = ask(client)
    assert ask(client, previous_response_id=first.id).output_text == "Once more."
    assert told(model.requests[1].body) == ["[it was cut off, and nobody knows how far it came]"]


def test_an_answer_that_was_filtered_says_so(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("I may", finish_reason="content_filter"))
    response = ask(client)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None and response.incomplete_details.reason == "content_filter"


def test_steps_are_bounded_and_the_last_one_is_for_the_answer(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1"), run("2"), say("Two steps."))
    response = ask(client, extra_body={"insitu": {"max_steps": 3}})
    assert (response.status, response.output_text) == ("completed", "Two steps.")
    assert choices(model) == [None, None, "none"]


def test_what_the_request_says_reaches_the_models_server(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1"), say("1."))
    ask(
        client,
        temperature=0.5,
        top_p=0.25,
        parallel_tool_calls=False,
        user="u",
        service_tier="flex",
        prompt_cache_key="k",
        prompt_cache_retention="24h",
        safety_identifier="s",
        extra_body={"prompt_cache_options": {"mode": "explicit"}},
        reasoning={"effort": "low"},
        text={"verbosity": "low", "format": {"type": "text"}},
    )
    for request in model.requests:
        sent = {name: value for name, value in request.body.items() if name not in ("messages", "tools")}
        assert sent == {
            "model": "m",
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.5,
            "top_p": 0.25,
            "parallel_tool_calls": False,
            "user": "u",
            "service_tier": "flex",
            "prompt_cache_key": "k",
            "prompt_cache_retention": "24h",
            "prompt_cache_options": {"mode": "explicit"},
            "safety_identifier": "s",
            "reasoning_effort": "low",
            "verbosity": "low",
        }


def test_a_plain_request_is_plain(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    client.responses.create(model="m", input="Hi", parallel_tool_calls=True)
    assert set(model.requests[0].body) == {"model", "messages", "stream", "stream_options"}


def test_the_form_of_the_answer_reaches_the_models_server(client: OpenAI, model: ScriptedModel) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    model.script(run("6*7"), say('{"n": 42}'), say("{}"))
    form = {"type": "json_schema", "name": "number", "schema": schema, "strict": True}
    response = ask(client, text={"format": form})
    assert json.loads(response.output_text) == {"n": 42}
    for request in model.requests:
        assert request.body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "number", "schema": schema, "strict": True},
        }
    ask(client, text={"format": {"type": "json_object"}})
    assert model.requests[-1].body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"type": "code_interpreter"}, {"type": "function", "function": {"name": "python"}}),
        ({"type": "shell"}, {"type": "function", "function": {"name": "shell"}}),
        ({"type": "function", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_a_choice_of_a_tool_binds_the_first_step(client: OpenAI, model: ScriptedModel, choice: Any, sent: Any) -> None:
    model.script(run("1"), say("Done."))
    ask(client, tools=[PYTHON, SHELL, WEATHER], tool_choice=choice)
    assert names(model.requests[0].body) == ["python", "shell", "weather"]
    # Asked for again, what must be called would be called for ever.
    assert choices(model) == [sent, "none" if choice == "none" else None]


@pytest.mark.parametrize(
    ("mode", "tools", "left"),
    [
        ("auto", [{"type": "code_interpreter"}], ["python"]),
        ("required", [{"type": "function", "name": "weather"}], ["weather"]),
        ("auto", [{"type": "shell"}, {"type": "code_interpreter"}], ["python", "shell"]),
    ],
)
def test_a_choice_of_several_tools_leaves_the_others_out(
    client: OpenAI, model: ScriptedModel, mode: str, tools: list[Json], left: list[str]
) -> None:
    model.script(say("Done."))
    choice = {"type": "allowed_tools", "mode": mode, "tools": tools}
    ask(client, tools=[PYTHON, SHELL, WEATHER], tool_choice=choice)
    assert (names(model.requests[0].body), choices(model)) == (left, [mode])


def test_a_choice_of_a_tool_that_is_not_there(client: OpenAI, model: ScriptedModel) -> None:
    for choice in ({"type": "function", "name": "search"}, {"type": "shell"}, {"type": "web_search"}, "nonsense"):
        with pytest.raises(BadRequestError) as caught:
            ask(client, tool_choice=choice)
        assert caught.value.param == "tool_choice"
    assert model.requests == []


def test_usage_adds_up_all_steps(client: OpenAI, model: ScriptedModel) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 7},
    }
    model.script(
        call(("python", {"code": "1"}), usage=(10, 5)), call(("python", {"code": "2"}), usage=usage), say("2.")
    )
    response = ask(client)
    assert response.usage is not None
    assert response.usage.model_dump(exclude_none=True) == {
        "input_tokens": 120,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 0},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 7},
        "total_tokens": 150,
    }


def test_servers_that_tell_no_usage_are_borne(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "1"}), usage=None), say("1.", usage=None))
    response = ask(client)
    assert response.status == "completed" and response.usage is not None
    assert response.usage.total_tokens == 0


@pytest.fixture(scope="module")
def old_model() -> Iterator[ScriptedModel]:
    with ScriptedModel(refuses={"stream_options", "parallel_tool_calls", "max_tokens"}) as model:
        yield model


def test_servers_that_know_less_are_asked_for_less(
    old_model: ScriptedModel, settings: Callable[..., Settings], connect: Callable[..., OpenAI]
) -> None:
    old_model.script(run("1"), say("1."), say("2."))
    with serving(settings(upstream=old_model.url)) as url:
        client = connect(url)
        response = ask(client, max_output_tokens=100, parallel_tool_calls=True)
        assert (logs(response), response.output_text) == (["1"], "1.")
        asked = len(old_model.requests)
        ask(client, max_output_tokens=100, parallel_tool_calls=True)
        # What has been refused once is not tried again.
        assert len(old_model.requests) == asked + 1
    last = old_model.requests[-1].body
    assert last["max_completion_tokens"] == 100
    assert not {"stream_options", "parallel_tool_calls", "max_tokens"} & set(last)
    assert old_model.left == 0


def test_reasoning_is_streamed_in_the_field_of_any_server(client: OpenAI, model: ScriptedModel) -> None:
    for name in ("reasoning_content", "reasoning"):
        model.script(reason("Hm, well.", say("Yes."), name=name))
        assert order(stream(client))[2:6] == [
            ("output_item.added", 0, "reasoning"),
            ("reasoning_text.delta", 0),
            ("reasoning_text.done", 0),
            ("output_item.done", 0, "reasoning"),
        ]


def test_the_callers_key_stays_here(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    ask(client)
    assert model.requests[0].headers["authorization"] == "Bearer none"
