"""Chat completions with code, streamed: OpenAI's own chunks, and the steps beside them in deltas that add up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from insitu.settings import Settings
from tests.support.chat import ASKED, PYTHON, ask, deltas, insitu, steps, stream
from tests.support.model import ScriptedModel, broken, call, fail, hang, reason, say
from tests.support.responses import run
from tests.support.serving import serving

pytestmark = pytest.mark.client("openai", "chat completions")

FINAL = {"x-should-retry": "false"}


def raw(http: httpx2.Client) -> httpx2.Response:
    return http.post("/v1/chat/completions", json={**ASKED, "stream": True})


@pytest.mark.shows("stream")
def test_chunks_are_openais_with_the_steps_beside_them(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("print(6*7)\n6*8", text="See."), say("It is 42."))
    chunks = stream(client)
    container_id = deltas(chunks)[-2]["insitu"]["container_id"]
    call_id = deltas(chunks)[2]["insitu"]["steps"][0]["id"]
    assert container_id.startswith("cntr_") and call_id.startswith("call_")
    done = {"outcome": "ok", "results": ["48"], "error": None, "files": [], "figures": []}
    assert deltas(chunks) == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "See."},
        {"insitu": {"type": "step.started", "steps": [{"index": 0, "id": call_id, "tool": "python"}]}},
        {"insitu": {"type": "code.delta", "steps": [{"index": 0, "code": "print("}]}},
        {"insitu": {"type": "code.delta", "steps": [{"index": 0, "code": "6*7)\n6*"}]}},
        {"insitu": {"type": "code.delta", "steps": [{"index": 0, "code": "8"}]}},
        {"insitu": {"type": "output.delta", "steps": [{"index": 0, "stdout": "42\n"}]}},
        {"insitu": {"type": "step.done", "steps": [{"index": 0, **done}]}},
        {"content": "\n\nIt is 42"},
        {"content": "."},
        {"insitu": {"type": "turn.done", "container_id": container_id, "incomplete": None}},
        {},
    ]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 11 + ["stop"]
    assert {(chunk.id, chunk.object, chunk.model, chunk.usage) for chunk in chunks} == {
        (chunks[0].id, "chat.completion.chunk", "m", None)
    }


def test_the_stream_ends_as_openais(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("42"))
    answer = raw(http)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    lines = [line for line in answer.text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert all(json.loads(line.removeprefix("data: "))["object"] == "chat.completion.chunk" for line in lines[:-1])


def test_usage_comes_last_where_it_is_asked_for(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("42"))
    *chunks, last = stream(client, stream_options={"include_usage": True})
    assert {chunk.usage for chunk in chunks} == {None}
    assert (last.choices, last.usage.total_tokens if last.usage else None) == ([], 30)


def test_the_stream_helper_adds_the_deltas_up(client: OpenAI, model: ScriptedModel) -> None:
    script = run("print('a')\n1", "open('b', 'w').write('b')\n1/0", text="See."), run("[6, 7]"), say("Done.")
    model.script(*script, *script)
    with client.chat.completions.stream(**ASKED) as events:
        streamed = events.get_final_completion()
    whole = ask(client)
    assert streamed.choices[0].message.content == whole.choices[0].message.content == "See.\n\nDone."
    told: Any = (streamed.choices[0].message.model_extra or {})["insitu"]
    assert [told["container_id"][:5], told["incomplete"]] == ["cntr_", None]
    names = ("tool", "code", "outcome", "results", "error")
    assert [[step[name] for name in names] for step in told["steps"]] == [
        [step[name] for name in names] for step in steps(whole)
    ]
    assert [step.get("stdout", "") for step in told["steps"]] == ["a\n", "", ""]
    assert [file["path"] for file in told["steps"][1]["files"]] == ["/mnt/data/b"]


async def test_the_asynchronous_client_gets_the_same(async_client: AsyncOpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("42"))
    async with async_client.chat.completions.with_streaming_response.create(**ASKED, stream=True) as answer:
        lines = [line async for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "data: [DONE]"
    told = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"] for line in lines[:-1]]
    assert told[-3:-1] == [{"content": "42"}, {"insitu": {**told[-2]["insitu"], "type": "turn.done"}}]


def test_reasoning_comes_in_deltas_of_its_own(client: OpenAI, model: ScriptedModel) -> None:
    model.script(reason("Think.", say("42")))
    assert {"reasoning_content": "Think."} in deltas(stream(client))


def test_output_comes_while_code_runs(client: OpenAI, model: ScriptedModel) -> None:
    code = "import sys\nprint('a', flush=True)\nprint('b', file=sys.stderr, flush=True)"
    model.script(run(code), say("Done."))
    told = [delta["insitu"] for delta in deltas(stream(client)) if "insitu" in delta]
    assert [each["steps"][0] for each in told if each["type"] == "output.delta"] == [
        {"index": 0, "stdout": "a\n"},
        {"index": 0, "stderr": "b\n"},
    ]


def test_a_silent_stream_is_kept_alive(http: httpx2.Client, client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)"), say("Done."))
    container = client.containers.create(name="silent").id
    tools = [{**PYTHON, "container": container}]
    with http.stream("POST", "/v1/chat/completions", json={**ASKED, "stream": True, "tools": tools}) as answer:
        lines = answer.iter_lines()
        assert ": keep-alive" in lines
        # Until this file is there the code does not end.
        client.containers.files.create(container, file=("go", b""))
        assert "data: [DONE]" in lines


def test_a_turn_at_its_guard_closes_what_is_open(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    model.script(call(("python", {"code": "while True: pass"}), text="I begin."))
    chunks = stream(connect(serve(turn_timeout_s=1)))
    *_, cut, ended, last = deltas(chunks)
    assert cut == {"insitu": {"type": "step.done", "steps": [{"index": 0, "outcome": "cancelled"}]}}
    assert (ended["insitu"]["type"], ended["insitu"]["incomplete"], last) == ("turn.done", "max_time", {})
    assert chunks[-1].choices[0].finish_reason == "length"


async def test_a_stream_begins_when_the_model_server_does(async_client: AsyncOpenAI, model: ScriptedModel) -> None:
    model.script(hang(say("Well."), 0))
    chunks = await async_client.chat.completions.create(**ASKED, stream=True)
    first = await anext(aiter(chunks))
    assert first.choices[0].delta.model_dump(exclude_unset=True) == {
        "role": "assistant",
        "content": "",
        "refusal": None,
    }
    await chunks.close()
    await model.wait_closed(0)


def test_before_anything_was_said_a_failure_is_an_http_error(client: OpenAI, model: ScriptedModel) -> None:
    model.script(fail(429, None, {**FINAL, "retry-after": "7"}))
    with pytest.raises(openai.RateLimitError) as caught:
        stream(client)
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("failure", [fail(500, None, FINAL), broken(say("It is 42 indeed."), after=3)])
def test_a_failure_in_the_midst_is_told_in_the_stream(
    http: httpx2.Client, client: OpenAI, model: ScriptedModel, failure: Any
) -> None:
    model.script(run("6*7"), failure, run("6*7"), failure)
    chunks = client.chat.completions.create(**ASKED, stream=True)
    with pytest.raises(openai.APIError, match="the model server") as caught:
        list(chunks)
    assert caught.value.code == "upstream_failed"
    last = raw(http).text.split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: ")).keys() == {"error"}


def test_a_model_server_that_dies_is_told_of(settings: Callable[..., Settings], connect: Callable[..., OpenAI]) -> None:
    with ScriptedModel() as dying, serving(settings(upstream=dying.url)) as url:
        dying.script(hang(say("It is 42 indeed."), after=3))
        chunks = connect(url).chat.completions.create(**ASKED, stream=True)
        next(chunks)
        dying.__exit__()
        with pytest.raises(openai.APIError, match="the model server"):
            list(chunks)


def test_a_server_that_stops_says_so(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    model.script(hang(say("It is 42 indeed."), after=3))
    with serving(settings(shutdown_s=0)) as url:
        chunks = connect(url).chat.completions.create(**ASKED, stream=True)
        next(chunks)
    with pytest.raises(openai.APIError, match="the server stopped before"):
        list(chunks)


@pytest.mark.shows("leaving")
async def test_a_client_that_leaves_ends_turn_and_upstream(async_client: AsyncOpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7", text="See."), hang(say("It is 42 indeed."), after=3))
    chunks = await async_client.chat.completions.create(**ASKED, stream=True)
    async for chunk in chunks:
        if (chunk.choices[0].delta.content or "").endswith("It is 42"):
            break
    assert not model.requests[1].closed.is_set()
    await chunks.close()
    await model.wait_closed(1)


async def test_a_client_that_leaves_interrupts_its_code(
    async_client: AsyncOpenAI, client: OpenAI, model: ScriptedModel
) -> None:
    model.script(run("x = 41"), say("Done."))
    message = ask(client).choices[0].message
    conversation: list[Any] = [*ASKED["messages"], message, *ASKED["messages"]]
    model.script(run("print('begun', flush=True)\nwhile True: pass"), run("x + 1"), say("Done."))
    chunks = await async_client.chat.completions.create(**{**ASKED, "messages": conversation}, stream=True)
    async for chunk in chunks:
        if (chunk.choices[0].delta.model_extra or {}).get("insitu", {}).get("type") == "output.delta":
            break
    await chunks.close()
    again = ask(client, messages=conversation)
    assert [step["results"] for step in steps(again)] == [["42"]]
    assert insitu(again)["container_id"] == (message.model_extra or {})["insitu"]["container_id"]
