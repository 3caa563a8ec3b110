"""Chat completions with code, whole: the switches, the answer and the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI
from pydantic import SecretStr

from tests.support.chat import ASKED, PLAIN, PYTHON, QUESTION, WEATHER, ask, insitu, said, steps
from tests.support.model import ScriptedModel, reason, say
from tests.support.node import needs_node, run_script
from tests.support.responses import run, told

pytestmark = pytest.mark.client("openai", "chat completions")


@pytest.mark.shows("answer")
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
        "tools_called": [],
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


@pytest.mark.shows("images")
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
