"""Chat completions with code, whole: the switches, the answer, the steps, and what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import httpx2
import openai
import pytest
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI
from pydantic import SecretStr

from tests.support.chat import ASKED, PLAIN, PYTHON, QUESTION, WEATHER, ask, insitu, said, steps
from tests.support.model import ScriptedModel, broken, call, fail, hang, reason, say, unfinished
from tests.support.node import needs_node, run_script
from tests.support.responses import run, told

FINAL = {"x-should-retry": "false"}


def test_code_runs_on_the_way_to_one_plain_answer(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("print(6*7)", text="Let me see."), say("It is 42."))
    completion = ask(client)
    [choice] = completion.choices
    assert (choice.finish_reason, choice.message.role, choice.message.tool_calls) == ("stop", "assistant", None)
    assert said(completion) == "Let me see.\n\nIt is 42."
    assert (completion.object, completion.model) == ("chat.completion", "m")
    assert completion.id.startswith("chatcmpl-")
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (20, 10)
    assert [tool["function"]["name"] for tool in model.requests[0].body["tools"]] == ["python"]
    assert told(model.requests[1].body) == ["42"]


def test_each_step_can_be_read(client: OpenAI, model: ScriptedModel) -> None:
    code = "import sys\nopen('a.txt', 'w').write('text')\nprint('out')\nprint('err', file=sys.stderr)\n6*7"
    model.script(run(code), run("1/0"), say("Done."))
    completion = ask(client)
    first, second = steps(completion)
    container_id = insitu(completion)["container_id"]
    [file] = first.pop("files")
    assert first.pop("id").startswith("call_")
    assert first == {
        "tool": "python",
        "code": code,
        "outcome": "ok",
        "stdout": "out\n",
        "stderr": "err\n",
        "results": ["42"],
        "error": None,
        "figures": [],
    }
    assert (file["container_id"], file["path"], file["size"]) == (container_id, "/mnt/data/a.txt", 4)
    assert file["url"] == f"/v1/containers/{container_id}/files/{file['id']}/content"
    assert (second["outcome"], second["error"]["name"], second["error"]["value"]) == (
        "error",
        "ZeroDivisionError",
        "division by zero",
    )
    assert "1/0" in second["error"]["traceback"]
    assert insitu(completion)["incomplete"] is None


def test_figures_are_data_urls_and_files(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("class Dot:\n def _repr_png_(self): return b'\\x89PNG....'\nDot()"), say("See."))
    [step] = steps(ask(client))
    assert step["figures"] == ["data:image/png;base64,iVBORy4uLi4="]
    assert [file["path"] for file in step["files"]] == ["/mnt/data/figure-1.png"]


def test_without_any_code_there_is_no_step_and_no_container(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    assert insitu(ask(client)) == {"container_id": None, "steps": [], "incomplete": None}


@pytest.mark.parametrize("switch", [True, {}, {"type": "code_interpreter", "container": {"type": "auto"}}])
def test_a_key_of_the_body_switches_code_on(client: OpenAI, model: ScriptedModel, switch: Any) -> None:
    model.script(run("6*7"), say("42"))
    completion = client.chat.completions.create(**PLAIN, extra_body={"code_interpreter": switch})
    assert [step["results"] for step in steps(completion)] == [["42"]]
    assert "code_interpreter" not in model.requests[0].body


def test_a_server_can_run_code_by_default(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    client = connect(serve(code_by_default=True))
    model.script(run("6*7"), say("42"), say("off"))
    assert len(steps(client.chat.completions.create(**PLAIN))) == 1
    completion = client.chat.completions.create(**PLAIN, extra_body={"code_interpreter": False})
    assert (said(completion), completion.choices[0].message.model_extra) == ("off", {})
    assert model.requests[2].body == PLAIN
    with pytest.raises(openai.BadRequestError, match="the body must be a JSON object"):
        client.post("/chat/completions", cast_to=object, content=b"[nonsense", options={"headers": {}})


@pytest.mark.parametrize("others", [[], [WEATHER]])
def test_code_that_is_switched_off_is_off_whatever_the_tools_say(
    client: OpenAI, model: ScriptedModel, others: list[Any]
) -> None:
    model.script(say("off"))
    completion = ask(client, tools=[*others, PYTHON], extra_body={"code_interpreter": False})
    assert (said(completion), completion.choices[0].message.model_extra) == ("off", {})
    assert model.requests[0].body == (PLAIN | {"tools": others} if others else PLAIN)


@pytest.mark.parametrize("by_id", [False, True])
def test_files_of_messages_are_put_where_code_runs(client: OpenAI, model: ScriptedModel, by_id: bool) -> None:
    if by_id:
        file = {"file_id": client.files.create(file=("a.csv", b"1,2"), purpose="user_data").id}
    else:
        file = {"filename": "a.csv", "file_data": "data:text/csv;base64,MSwy"}
    content = [{"type": "text", "text": "Read it."}, {"type": "file", "file": file}]
    model.script(run("open('a.csv').read()"), say("Read."))
    [step] = steps(ask(client, messages=[{"role": "user", "content": content}]))
    assert step["results"] == ["'1,2'"]
    [message] = model.requests[0].body["messages"]
    assert message["content"] == [
        {"type": "text", "text": "Read it."},
        {"type": "text", "text": "[the user's file a.csv is /mnt/data/a.csv]"},
    ]


def test_what_only_this_server_knows_never_goes_upstream(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("42"), say("off"), say("off"))
    first = ask(client).choices[0].message
    conversation: list[Any] = [QUESTION, first, QUESTION]
    client.chat.completions.create(model="m", messages=conversation)
    client.chat.completions.create(model="m", messages=conversation, extra_body={"code_interpreter": False})
    for received in model.requests[2:]:
        assert "insitu" not in received.raw.decode() and "code_interpreter" not in received.body
        assert received.body["messages"][1]["content"] == "42"


def test_options_go_upstream_as_they_are(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("42"))
    ask(client, temperature=0.5, max_completion_tokens=77, seed=7, extra_body={"top_k": 3, "insitu": {"max_steps": 9}})
    sent = model.requests[0].body
    assert {name: value for name, value in sent.items() if name not in ("messages", "tools")} == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 77,
        "seed": 7,
        "top_k": 3,
    }


def test_the_tool_can_be_chosen(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("42"))
    ask(client, tool_choice={"type": "code_interpreter"})
    assert model.requests[0].body["tool_choice"] == {"type": "function", "function": {"name": "python"}}
    assert "tool_choice" not in model.requests[1].body


def test_files_can_be_brought_along(client: OpenAI, model: ScriptedModel) -> None:
    file = client.files.create(file=("data.csv", b"a,b\n1,2\n"), purpose="assistants")
    model.script(run("open('data.csv').read()"), say("See."))
    container = {"type": "auto", "file_ids": [file.id], "memory_limit": "1g"}
    assert steps(ask(client, tools=[{**PYTHON, "container": container}]))[0]["results"] == ["'a,b\\n1,2\\n'"]


def test_memory_over_the_operators_ceiling_is_refused(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    container = {"type": "auto", "memory_limit": "64g"}
    with pytest.raises(openai.BadRequestError, match="over this server's ceiling") as caught:
        ask(connect(serve()), tools=[{**PYTHON, "container": container}])
    assert (caught.value.code, model.requests) == ("over_ceiling", [])


def test_a_model_that_calls_no_tools_writes_blocks(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    client = connect(serve(fenced_models="m"))
    model.script(say("Let me see.\n```python\n6*7\n```\nIt is 7."), say("It is 42."))
    completion = ask(client)
    assert said(completion) == "Let me see.\n\nIt is 42."
    assert [(step["code"], step["results"]) for step in steps(completion)] == [("6*7\n", ["42"])]
    with pytest.raises(openai.BadRequestError, match="calls no tools"):
        ask(client, tools=[PYTHON, WEATHER])


def test_reasoning_is_shown(client: OpenAI, model: ScriptedModel) -> None:
    model.script(reason("Seven times six.", say("42")))
    message = ask(client).choices[0].message
    assert (message.model_extra or {})["reasoning_content"] == "Seven times six."


async def test_the_asynchronous_client_gets_the_same(async_client: AsyncOpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("42"))
    completion = await async_client.chat.completions.create(**ASKED)
    assert (said(completion), len(steps(completion))) == ("42", 1)


def test_langchain_gets_the_answer(url: str, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("It is 42."), run("6*7"), say("It is 42."))
    chat = ChatOpenAI(
        base_url=f"{url}/v1", api_key=SecretStr("one"), model="m", extra_body={"code_interpreter": True}, max_retries=0
    )
    message = chat.invoke("How much is it?")
    assert (message.content, message.tool_calls) == ("It is 42.", [])
    assert message.usage_metadata is not None and message.usage_metadata["total_tokens"] == 30
    assert "".join(str(chunk.content) for chunk in chat.stream("How much is it?")) == "It is 42."


@needs_node
async def test_the_javascript_sdk_gets_the_answer(url: str, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("It is 42."))
    report = await run_script(
        "chat_stream",
        base_url=f"{url}/v1",
        api_key="one",
        model="m",
        prompts=["How much is it?"],
        extra_body={"code_interpreter": True},
    )
    [turn] = report["turns"]
    assert (turn["text"], turn["finish_reason"], len(turn["steps"])) == ("It is 42.", "stop", 1)
    told_of = [chunk["choices"][0]["delta"]["insitu"]["type"] for chunk in turn["raw"] if _tells(chunk)]
    assert (told_of[0], told_of[-2], told_of[-1]) == ("step.started", "step.done", "turn.done")


def _tells(chunk: Any) -> bool:
    return bool(chunk["choices"]) and "insitu" in chunk["choices"][0]["delta"]


def test_usage_that_no_server_tells_is_null(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("42", usage=None))
    assert ask(client).usage is None


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


@pytest.mark.parametrize("failure", [fail(500, None, FINAL), broken(say("It is 42 indeed."), after=3)])
def test_once_code_has_run_no_client_sends_it_again(
    url: str, connect: Callable[..., OpenAI], model: ScriptedModel, failure: Any
) -> None:
    model.script(run("6*7"), failure)
    with pytest.raises(openai.APIStatusError) as caught:
        ask(connect(url, max_retries=2))
    assert caught.value.status_code == 424
    assert caught.value.code == "upstream_failed"
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
