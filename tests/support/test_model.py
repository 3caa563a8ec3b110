from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from tests.support.completions import Completion
from tests.support.model import (
    Json,
    ScriptedModel,
    Step,
    broken,
    call,
    fail,
    garbage,
    hang,
    reason,
    say,
    unfinished,
)

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "How much is it?"}]
POEM = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich 🏖"


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as made:
        yield made


def client(model: ScriptedModel) -> openai.OpenAI:
    return openai.OpenAI(base_url=model.url, api_key="secret", max_retries=0)


def stream(model: ScriptedModel, step: Step, **options: Any) -> list[ChatCompletionChunk]:
    """All chunks that the SDK makes of a streamed step."""
    model.script(step)
    options = {"stream_options": {"include_usage": True}, **options}
    with client(model) as sdk:
        return list(sdk.chat.completions.create(model="m", messages=ASK, stream=True, **options))


def raw(model: ScriptedModel, step: Step, **body: Any) -> str:
    """What goes over the wire."""
    model.script(step)
    return httpx2.post(f"{model.url}/chat/completions", json={"model": "m", "messages": ASK, **body}).text


def deltas(chunks: list[ChatCompletionChunk]) -> list[Json]:
    """What the chunks add, without what they leave out."""
    return [chunk.choices[0].delta.to_dict() for chunk in chunks if chunk.choices]


def test_a_text_comes_in_pieces_of_eight_characters(model: ScriptedModel) -> None:
    *chunks, last = stream(model, say(POEM))
    texts = [chunk.choices[0].delta.content for chunk in chunks]
    assert texts[:3] == ["", "Zwölf Bo", "xkämpfer"]
    assert "".join(text or "" for text in texts) == POEM
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [*[None] * (len(chunks) - 1), "stop"]
    assert (last.choices, last.usage and last.usage.to_dict()) == (
        [],
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    )
    assert {chunk.id for chunk in (*chunks, last)} == {"chatcmpl-1"}


def test_the_wire_is_that_of_openai(model: ScriptedModel) -> None:
    head = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m",'
    choice = '"choices":[{"index":0,"delta":%s,"logprobs":null,"finish_reason":%s}]}'
    assert raw(model, say("4"), stream=True) == "".join(
        f"data: {event}\n\n"
        for event in (
            head + choice % ('{"role":"assistant","content":""}', "null"),
            head + choice % ('{"content":"4"}', "null"),
            head + choice % ("{}", '"stop"'),
            "[DONE]",
        )
    )


def test_usage_is_told_only_when_asked_for_and_known(model: ScriptedModel) -> None:
    assert '"usage"' not in raw(model, say("4"), stream=True)
    assert '"usage"' not in raw(model, say("4", usage=None), stream=True, stream_options={"include_usage": True})
    assert '"usage"' not in raw(model, say("4", usage=None))
    details: Json = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "cost": 0.1}
    model.script(say("4", usage=details, finish_reason="length"))
    with client(model) as sdk:
        answer = sdk.chat.completions.create(model="m", messages=ASK)
    assert answer.usage and answer.usage.to_dict() == details
    assert answer.choices[0].finish_reason == "length"


def test_tool_calls_come_in_pieces_with_an_index(model: ScriptedModel) -> None:
    made = deltas(stream(model, call(("python", {"code": "1+1"}), ("weather", "{nonsense"), text="Let me see.")))
    assert made[0] == {"role": "assistant", "content": ""}
    assert made[1:3] == [{"content": "Let me s"}, {"content": "ee."}]
    calls = [entry for delta in made for entry in delta.get("tool_calls", [])]
    assert [entry for entry in calls if "id" in entry] == [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "python", "arguments": ""}},
        {"index": 1, "id": "call_2", "type": "function", "function": {"name": "weather", "arguments": ""}},
    ]
    arguments = ["".join(entry["function"]["arguments"] for entry in calls if entry["index"] == n) for n in (0, 1)]
    assert arguments == ['{"code": "1+1"}', "{nonsense"]


def test_tool_calls_come_whole_without_a_stream(model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "1+1"}), ids=["toolu_7"]))
    with client(model) as sdk:
        choice = sdk.chat.completions.create(model="m", messages=ASK).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.to_dict() == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "toolu_7", "type": "function", "function": {"name": "python", "arguments": '{"code": "1+1"}'}}
        ],
    }


def test_servers_that_send_calls_whole_give_all_of_them_the_same_index() -> None:
    with ScriptedModel(whole_calls=True) as model:
        first, *calls, last = deltas(stream(model, call(("python", {}), ("python", {"code": "2"}))))
    assert (first, last) == ({"role": "assistant", "content": None}, {})
    assert calls == [
        {"tool_calls": [{"index": 0, "id": its, "type": "function", "function": {"name": "python", "arguments": what}}]}
        for its, what in (("call_1", "{}"), ("call_2", '{"code": "2"}'))
    ]


def test_calls_can_come_without_ids(model: ScriptedModel) -> None:
    assert '"id":"call' not in raw(model, call(("python", {"code": "1"}), no_ids=True), stream=True)
    assert '"id":"call' not in raw(model, call(("python", {"code": "1"}), no_ids=True))


def test_a_chain_of_thought_comes_first(model: ScriptedModel) -> None:
    step = reason("Two and two.", then=call(("python", {})))
    assert deltas(stream(model, step))[1:3] == [{"reasoning_content": "Two and "}, {"reasoning_content": "two."}]
    assert '"reasoning":"Two and two."' in raw(model, reason("Two and two.", say("4"), name="reasoning"))


def test_errors_have_their_status_body_and_headers(model: ScriptedModel) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        stream(model, fail(429, {"error": {"message": "slow down", "code": "busy"}}, {"retry-after": "7"}))
    assert (caught.value.code, caught.value.response.headers["retry-after"]) == ("busy", "7")
    with pytest.raises(openai.InternalServerError, match="The scripted model fails with 503"):
        stream(model, fail(503))
    assert raw(model, fail(502, "<html>bad gateway</html>")) == "<html>bad gateway</html>"


@pytest.mark.parametrize("after", [1, 3])
def test_a_broken_stream_ends_after_so_many_events(model: ScriptedModel, after: int) -> None:
    model.script(broken(say(POEM), after=after))
    with client(model) as sdk:
        answer = sdk.chat.completions.create(model="m", messages=ASK, stream=True)
        assert len([next(answer) for _ in range(after)]) == after
        with pytest.raises(openai.APIConnectionError) as caught:
            next(answer)
    assert "incomplete chunked read" in str(caught.value.__cause__)
    assert not model.requests[0].answered


def test_a_connection_can_break_before_any_answer(model: ScriptedModel) -> None:
    model.script(broken(say(POEM), after=None), broken(say(POEM), after=0))
    with client(model) as sdk:
        for _ in range(2):
            with pytest.raises(openai.APIConnectionError):
                sdk.chat.completions.create(model="m", messages=ASK)


def test_an_unfinished_stream_ends_without_a_reason(model: ScriptedModel) -> None:
    chunks = stream(model, unfinished(say("12345678 and")))
    assert deltas(chunks) == [{"role": "assistant", "content": ""}, {"content": "12345678"}, {"content": " and"}]
    assert {chunk.choices[0].finish_reason for chunk in chunks} == {None}
    assert "[DONE]" not in raw(model, unfinished(say("4")), stream=True)


def test_garbage_is_sent_as_it_is(model: ScriptedModel) -> None:
    nonsense = "data: {not json}\n\n"
    assert raw(model, garbage(nonsense.encode()), stream=True) == nonsense


async def test_a_client_that_leaves_a_hanging_stream_is_seen_to_go(model: ScriptedModel) -> None:
    model.script(hang(say(POEM), after=2), hang())
    async with openai.AsyncOpenAI(base_url=model.url, api_key="secret", max_retries=0) as sdk:
        answer = await sdk.chat.completions.create(model="m", messages=ASK, stream=True)
        assert [(await anext(answer)).choices[0].delta.content for _ in range(2)] == ["", "Zwölf Bo"]
        assert not model.requests[0].closed.is_set()
        await answer.close()
        await model.wait_closed(0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: sdk.chat.completions.create(model="m", messages=ASK))
            await model.wait_received(1)
            tasks.cancel_scope.cancel()
        await model.wait_closed(1)
    assert [received.answered for received in model.requests] == [False, False]


def test_a_function_of_the_script_sees_the_request(model: ScriptedModel) -> None:
    def answer(body: Json) -> Step:
        return say(body["messages"][0]["content"].upper())

    model.script(answer)
    with client(model) as sdk:
        assert sdk.chat.completions.create(model="m", messages=ASK).choices[0].message.content == "HOW MUCH IS IT?"


def test_a_script_that_is_used_up_says_so_at_once(model: ScriptedModel) -> None:
    model.script(say("4"), lambda body: say(body["no such key"]))
    with openai.OpenAI(base_url=model.url, api_key="secret") as sdk:
        assert sdk.chat.completions.create(model="m", messages=ASK).choices[0].message.content == "4"
        with pytest.raises(openai.InternalServerError, match=r"function of the script failed: KeyError"):
            sdk.chat.completions.create(model="m", messages=ASK)
        with pytest.raises(openai.InternalServerError, match="all of its 2 steps have been taken"):
            sdk.chat.completions.create(model="m", messages=ASK)
    assert (len(model.requests), model.left) == (3, 0)


def test_a_strict_server_names_what_it_does_not_know() -> None:
    with ScriptedModel(refuses=("stream_options", "parallel_tool_calls")) as model:
        with pytest.raises(openai.BadRequestError) as caught:
            stream(model, say("4"))
        assert (caught.value.param, caught.value.code) == ("stream_options", "unknown_parameter")
        assert model.left == 1


def test_the_sdk_lists_its_model(model: ScriptedModel) -> None:
    with client(model) as sdk:
        assert [listed.id for listed in sdk.models.list()] == ["scripted"]


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_other_paths_echo_the_body_byte_for_byte(model: ScriptedModel, size: int) -> None:
    content = bytes(range(256)) * (size // 256)
    headers = {"content-type": "application/x-thing", "connection": "close"}
    answer = httpx2.post(f"{model.url}/audio/speech?a=b%20c", content=content, headers=headers)
    assert (answer.content, answer.headers["content-type"]) == (content, "application/x-thing")
    assert answer.headers["x-echo-path"] == "/v1/audio/speech?a=b%20c"
    received = model.requests[0]
    assert (received.method, received.path, received.raw) == ("POST", "/v1/audio/speech?a=b%20c", content)
    assert received.headers["content-type"] == "application/x-thing"
    assert httpx2.get(f"{model.url}/batches").status_code == 404


def test_it_listens_again_where_it_was() -> None:
    with ScriptedModel() as model:
        address = httpx2.URL(model.url)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{address}/models")
    with ScriptedModel(port=address.port or 0) as model:
        assert httpx2.get(f"{address}/models").status_code == 200


def test_each_event_but_the_last_ones_waits_for_its_token() -> None:
    events = Completion(
        call(("python", "12345678"), text="Let me see."), {}, "chatcmpl-1", ["call_1"], piece=8
    ).events()
    assert [event.tokens for event in events] == [0, 0, 1, 2, 3, 3, 3]
