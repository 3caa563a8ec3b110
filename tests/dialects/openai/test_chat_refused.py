"""Chat completions with code that are cut short, refused, or fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import httpx2
import openai
import pytest
from openai import OpenAI

from tests.support.chat import ASKED, PLAIN, PYTHON, WEATHER, ask, insitu, said, steps
from tests.support.model import ScriptedModel, broken, call, fail, hang, say, unfinished
from tests.support.responses import run, told

pytestmark = pytest.mark.client("openai", "chat completions")

FINAL = {"x-should-retry": "false"}


def test_steps_can_be_bounded(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1"), run("2"))
    completion = ask(client, extra_body={"insitu": {"max_steps": 2}})
    assert (completion.choices[0].finish_reason, insitu(completion)["incomplete"]) == ("length", "max_steps")
    assert [step["code"] for step in steps(completion)] == ["1"]
    assert model.requests[1].body["tool_choice"] == "none"


def test_calls_can_be_bounded(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1", "2"), say("Only one."))
    completion = ask(client, extra_body={"max_tool_calls": 1})
    assert [step["code"] for step in steps(completion)] == ["1"]
    assert said(completion) == "Only one."
    assert "not run: the request allows 1 calls" in told(model.requests[1].body)[1]


def test_a_turn_that_takes_too_long_ends_with_what_there_is(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    model.script(call(("python", {"code": "while True: pass"}), text="I begin."))
    completion = ask(connect(serve(turn_timeout_s=1)))
    assert (completion.choices[0].finish_reason, insitu(completion)["incomplete"]) == ("length", "max_time")
    assert said(completion) == "I begin."
    assert [step["outcome"] for step in steps(completion)] == ["cancelled"]


def test_an_answer_that_is_cut_off_says_so(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("It is", finish_reason="length"), say("", finish_reason="content_filter"))
    assert [ask(client).choices[0].finish_reason for _ in range(2)] == ["length", "content_filter"]


def test_arguments_that_are_no_json_are_a_failed_step(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", '{"code": 6*7}')), say("Sorry."))
    [step] = steps(ask(client))
    assert (step["outcome"], step["code"], step["error"]["name"]) == ("failed", "", "not run")
    assert step["error"]["value"].startswith("the arguments are not valid JSON")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"functions": [WEATHER["function"]]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "%"}}]}]}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"model": ""}, "model"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"extra_body": {"max_tool_calls": True}}, "max_tool_calls"),
        ({"extra_body": {"stream": "yes"}}, "stream"),
        ({"extra_body": {"insitu": {"max_steps": 0}}}, "insitu.max_steps"),
        ({"tools": [PYTHON, {"type": "web_search"}]}, "tools[1]"),
        ({"tools": [PYTHON, PYTHON]}, "tools[1]"),
        ({"tools": [PYTHON, {"type": "function"}]}, "tools[1]"),
        ({"tools": [{**PYTHON, "container": 7}]}, "tools[0].container"),
        (
            {"tools": [{**PYTHON, "container": {"type": "auto", "memory_limit": "2g"}}]},
            "tools[0].container.memory_limit",
        ),
        ({"tools": None, "extra_body": {"code_interpreter": "yes"}}, "code_interpreter"),
    ],
)
def test_what_does_not_go_with_code_is_refused(
    client: OpenAI, model: ScriptedModel, asked: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, **asked)
    assert caught.value.param == param
    assert model.requests == []


def test_memory_over_the_operators_ceiling_is_refused(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    container: Any = {"type": "auto", "memory_limit": "64g"}
    told = "container.memory_limit is 64g, over this server's ceiling of"
    with pytest.raises(openai.BadRequestError, match=told) as caught:
        ask(connect(serve()), tools=[{**PYTHON, "container": container}])
    assert (caught.value.code, caught.value.param) == ("over_ceiling", "tools[0].container.memory_limit")
    assert model.requests == []


@pytest.mark.parametrize("container", ["cntr_unknown", {"type": "auto", "file_ids": ["file-unknown"]}])
def test_what_is_named_and_not_there_is_not_found(client: OpenAI, model: ScriptedModel, container: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="unknown"):
        ask(client, tools=[{**PYTHON, "container": container}])
    assert model.requests == []


def test_a_body_over_the_cap_is_refused(serve: Callable[..., str], connect: Callable[..., OpenAI]) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(connect(serve(upload_bytes=1000)), messages=[{"role": "user", "content": "x" * 1000}])
    assert (caught.value.status_code, caught.value.type) == (413, "invalid_request_error")


def test_before_any_code_ran_the_model_servers_errors_can_be_sent_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(fail(429, None, {**FINAL, "retry-after": "7"}))
    with pytest.raises(openai.RateLimitError, match="The scripted model fails with 429") as busy:
        ask(client)
    assert busy.value.response.headers["retry-after"] == "7"
    model.script(fail(500, None, FINAL))
    with pytest.raises(openai.InternalServerError) as failed:
        ask(client)
    assert (failed.value.status_code, failed.value.code) == (502, "upstream_failed")
    assert "x-should-retry" not in failed.value.response.headers
    model.script(fail(404, None, FINAL))
    with pytest.raises(openai.NotFoundError, match="The scripted model fails with 404"):
        ask(client)


@pytest.mark.shows("errors")
@pytest.mark.parametrize("failure", [fail(500, None, FINAL), broken(say("It is 42 indeed."), after=3)])
def test_once_code_has_run_no_client_sends_it_again(
    url: str, connect: Callable[..., OpenAI], model: ScriptedModel, failure: Any
) -> None:
    model.script(run("6*7"), failure)
    with pytest.raises(openai.APIStatusError) as caught:
        ask(connect(url, max_retries=2))
    assert (caught.value.status_code, caught.value.code) == (424, "turn_failed")
    assert len(model.requests) == 2


def test_an_answer_without_its_end_is_no_answer(client: OpenAI, model: ScriptedModel) -> None:
    model.script(unfinished(say("It is 42 indeed.")))
    with pytest.raises(openai.InternalServerError, match="stopped before its end"):
        ask(client)


def test_a_server_without_a_model_says_so(serve: Callable[..., str], connect: Callable[..., OpenAI]) -> None:
    client = connect(serve(upstream=""))
    for asked in (ASKED, PLAIN):
        with pytest.raises(openai.InternalServerError, match="has no model behind it") as caught:
            client.chat.completions.create(**asked)
        assert caught.value.status_code == 501


async def test_a_client_that_leaves_ends_the_turn(async_http: httpx2.AsyncClient, model: ScriptedModel) -> None:
    model.script(run("6*7"), hang(say("It is 42 indeed."), after=2))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: async_http.post("/v1/chat/completions", json=ASKED))
        await model.wait_received(1)
        tasks.cancel_scope.cancel()
    await model.wait_closed(1)
    assert not model.requests[1].answered
