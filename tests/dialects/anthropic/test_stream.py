"""Streamed messages: Anthropic's events to the letter, and what clients make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from typing import Any

import anyio
import httpx2
import pytest
from anthropic import Anthropic, APIStatusError, AsyncAnthropic
from hypothesis import given
from hypothesis import strategies as st

from insitu.dialects.anthropic.writing import Block, Blocks
from tests.dialects.conftest import KEYS
from tests.support.messages import ASKED, CODE, WEATHER, ask, kinds, stream, text
from tests.support.model import Json, ScriptedModel, broken, call, fail, hang, reason, say
from tests.support.responses import run
from tests.support.tap import tapped

pytestmark = pytest.mark.client("anthropic")
NASTY = "x = '\"𝄞\\n\\\\'\nprint(x)\t# \x7f\u2028</script>"
SLOW = "import time\nprint('begun', flush=True)\ntime.sleep(0.6)"


def order(events: list[Any]) -> list[tuple[Any, ...]]:
    """The types of events with the index and the kind of the block; deltas in a row are one."""
    found = [
        (
            event.type,
            *([event.index] if hasattr(event, "index") else []),
            *([event.content_block.type] if event.type == "content_block_start" else []),
        )
        for event in events
    ]
    return [kind for kind, _ in groupby(found)]


def without_ids(message: Any) -> Any:
    """What is the same in each answer to the same question."""
    body = message.to_dict()
    return [{k: v for k, v in block.items() if not k.endswith("id")} for block in body["content"]], body["usage"]


@pytest.mark.shows("stream")
def test_blocks_come_one_after_the_other(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(reason("Hm.", run("print(1)", "print(2)", text="Let me see.")), say("Done."))
    events = stream(anthropic_client)
    blocks = [
        "thinking",
        "text",
        "server_tool_use",
        "server_tool_use",
        "code_execution_tool_result",
        "code_execution_tool_result",
        "text",
    ]
    expected: list[tuple[Any, ...]] = [("message_start",)]
    for index, kind in enumerate(blocks):
        deltas = [("content_block_delta", index)] if not kind.endswith("result") else []
        expected += [("content_block_start", index, kind), *deltas, ("content_block_stop", index)]
    assert order(events) == [*expected, ("message_delta",), ("message_stop",)]
    start = events[0].message
    assert (start.content, start.stop_reason, start.usage.output_tokens) == ([], None, 0)
    assert events[-2].delta.stop_reason == "end_turn"
    assert events[-2].delta.container.id.startswith("cntr_")
    assert events[-2].usage.output_tokens == 10


STEPS: dict[str, list[Any]] = {
    "code": [run(NASTY, text="Let me see."), say("Done.")],
    "two calls": [run("print(1)", "1/0"), say("Done.")],
    "bash and edit": [
        call(("bash", {"command": 'echo "1"\necho 2'}), ("edit", {"command": "view", "path": "/mnt/data/no"})),
        say("Done."),
    ],
    "nonsense": [call(("python", {"kode": "1"}), ("edit", "{no")), say("Done.")],
    "line breaks in JSON": [call(("python", '{"code": "x = 1\nprint(x)"}')), say("Done.")],
    "thinking": [reason("Hm.", say("Well."))],
    "client": [call(("python", {"code": "1"}), ("weather", '{"city": "Ulm\nRom"}'))],
    "guard": [run("1/0")] * 4,
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_the_sdk_puts_it_together_to_the_whole_answer(
    anthropic_client: Anthropic, model: ScriptedModel, steps: list[Any]
) -> None:
    model.script(*steps, *steps, *steps)
    tools = [CODE, WEATHER]
    stream(anthropic_client, tools=tools)
    whole = ask(anthropic_client, tools=tools)
    given: Any = {**ASKED, "tools": tools}
    with anthropic_client.messages.stream(**given) as events:
        streamed = events.get_final_message()
    assert without_ids(streamed) == without_ids(whole)
    assert streamed.stop_reason == whole.stop_reason
    assert (streamed.container is None) == (whole.container is None)


def test_code_comes_as_it_is_written(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run(NASTY), say("Done."))
    events = stream(anthropic_client)
    pieces = [e.delta.partial_json for e in events if e.type == "content_block_delta" and e.index == 0]
    assert len(pieces) > 4
    assert json.loads("".join(pieces)) == {"code": NASTY}
    model.script(hang(run(NASTY), 6))
    with anthropic_client.messages.create(**ASKED, stream=True) as unended:
        deltas = (event.delta for event in unended if event.type == "content_block_delta")
        written = (delta.partial_json for delta in deltas if delta.type == "input_json_delta")
        assert next(piece for piece in written if piece) == pieces[1]


@pytest.mark.parametrize("eager", [True, False])
def test_input_comes_in_pieces_to_clients_that_ask_for_it(
    anthropic_client: Anthropic, model: ScriptedModel, eager: bool
) -> None:
    model.script(call(("weather", {"city": "Llanfairpwllgwyngyll"})))
    events = stream(anthropic_client, tools=[{**WEATHER, "eager_input_streaming": eager}])
    pieces = [e.delta.partial_json for e in events if e.type == "content_block_delta"]
    assert (len(pieces) > 2) is eager
    assert json.loads("".join(pieces)) == {"city": "Llanfairpwllgwyngyll"}


def test_output_is_told_to_those_who_ask_for_it_alone(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(run("print(42)"), say("Done."), run("print(42)"), say("Done."))
    assert "insitu" not in http.post("/v1/messages", json={**ASKED, "stream": True}).text
    answer = http.post("/v1/messages", json={**ASKED, "stream": True, "insitu": {"events": True}})
    events = [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]
    [told] = [event for event in events if event["type"] == "insitu.output.delta"]
    [use] = [e["content_block"]["id"] for e in events if e.get("content_block", {}).get("type") == "server_tool_use"]
    assert told == {"type": "insitu.output.delta", "tool_use_id": use, "stream": "stdout", "delta": "42\n"}


def test_silence_is_filled_with_pings(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(run(SLOW), say("Done."))
    answer = http.post("/v1/messages", json={**ASKED, "stream": True})
    lines = answer.text.split("\n\n")
    assert 'event: ping\ndata: {"type":"ping"}' in lines
    assert all(line.startswith("event: ") for line in lines if line)


@pytest.mark.shows("silence")
def test_the_client_passes_over_pings(url: str, model: ScriptedModel) -> None:
    model.script(run(SLOW), say("Done."))
    with tapped(url) as tap, Anthropic(base_url=tap.url, api_key=KEYS[0], max_retries=0) as client:
        told = [event.type for event in stream(client)]
    assert b"event: ping\n" in tap.sent
    assert "ping" not in told and told[-1] == "message_stop"


def test_an_error_before_the_first_event_is_a_plain_one(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(fail(400, {"error": {"message": "what?"}}))
    with pytest.raises(APIStatusError) as caught:
        stream(anthropic_client)
    assert (caught.value.status_code, caught.value.type) == (400, "invalid_request_error")


@pytest.mark.shows("errors")
def test_an_error_in_the_midst_is_raised_by_the_client(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("1"), broken(say("Never whole, never."), 3))
    with pytest.raises(APIStatusError) as caught:
        stream(anthropic_client)
    assert caught.value.type == "api_error"


@pytest.mark.shows("leaving")
def test_a_client_that_leaves_ends_the_turn(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(hang(say("Let me see, and see."), 3))
    with anthropic_client.messages.create(**ASKED, stream=True) as events:
        assert next(iter(events)).type == "message_start"
    anyio.run(model.wait_closed, 0)


def test_once_code_has_run_a_failure_is_not_sent_again(
    url: str, connect_anthropic: Callable[..., Anthropic], model: ScriptedModel
) -> None:
    model.script(run("1"), fail(500))
    with pytest.raises(APIStatusError) as caught:
        ask(connect_anthropic(url, max_retries=2))
    assert (caught.value.status_code, caught.value.error_code) == (424, "turn_failed")
    asked = [received.body["messages"][-1]["role"] for received in model.requests]
    assert asked.count("user") == 1


async def test_the_asynchronous_client_reads_the_same(async_anthropic: AsyncAnthropic, model: ScriptedModel) -> None:
    model.script(run("print(42)"), say("Done."))
    async with async_anthropic.messages.stream(**ASKED) as events:
        message = await events.get_final_message()
    assert (kinds(message), text(message)) == (
        ["server_tool_use", "code_execution_tool_result", "text"],
        "Done.",
    )


@given(st.lists(st.tuples(st.sampled_from(["begin", "delta", "close"]), st.integers(0, 7)), max_size=60))
def test_whatever_the_order_of_what_happens_the_stream_is_well_formed(happened: list[tuple[str, int]]) -> None:
    events: list[Json] = []
    blocks = Blocks(events.append)
    made: dict[int, Block] = {}
    for number, (what, name) in enumerate(happened):
        block = made.get(name)
        if block is None or block.closed:
            if what == "begin":
                made[name] = blocks.add({"text": ""})
        elif what == "delta":
            block.body["text"] += f"{number},"
            block.delta({"text": f"{number},"})
        elif what == "close":
            block.close()
    blocks.close()
    assert read(events) == blocks.content


def read(events: list[Json]) -> list[Json]:
    """The blocks that a stream tells of, of which only the last is ever open."""
    found: list[Json] = []
    is_open = False
    for event in events:
        if event["type"] == "content_block_start":
            assert (is_open, event["index"]) == (False, len(found))
            found.append(dict(event["content_block"]))
            is_open = True
            continue
        assert (is_open, event["index"]) == (True, len(found) - 1)
        if event["type"] == "content_block_delta":
            found[-1]["text"] += event["delta"]["text"]
        else:
            is_open = False
    assert not is_open
    return found
