"""Responses as streams: the events, in the order that OpenAI sends them, to the letter."""

from __future__ import annotations

import json

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.dialects.conftest import KEYS
from tests.support.model import ScriptedModel, call, hang, reason, say
from tests.support.responses import ASKED, WEATHER, deltas, kinds, logs, of_type, order, run, stream
from tests.support.tap import tapped

pytestmark = pytest.mark.client("openai")

BEGIN: list[tuple[object, ...]] = [("created",), ("in_progress",)]
END: list[tuple[object, ...]] = [("completed",)]


def of_code(index: int, *, output: bool = False) -> list[tuple[object, ...]]:
    """The events of one call of Python that runs by itself."""
    call = "code_interpreter_call"
    return [
        ("output_item.added", index, call),
        (f"{call}.in_progress", index),
        (f"{call}_code.delta", index),
        (f"{call}_code.done", index),
        (f"{call}.interpreting", index),
        *([("insitu.output.delta", index)] if output else []),
        (f"{call}.completed", index),
        ("output_item.done", index, call),
    ]


def of_text(index: int, annotations: int = 0) -> list[tuple[object, ...]]:
    """The events of one message."""
    return [
        ("output_item.added", index, "message"),
        ("content_part.added", index),
        ("output_text.delta", index),
        *[("output_text.annotation.added", index)] * annotations,
        ("output_text.done", index),
        ("content_part.done", index),
        ("output_item.done", index, "message"),
    ]


def of_reasoning(index: int) -> list[tuple[object, ...]]:
    """The events of one chain of thought."""
    return [
        ("output_item.added", index, "reasoning"),
        ("reasoning_text.delta", index),
        ("reasoning_text.done", index),
        ("output_item.done", index, "reasoning"),
    ]


def test_the_events_of_an_answer_without_code(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("It is forty-two."))
    events = stream(client)
    assert order(events) == [*BEGIN, *of_text(0), *END]
    assert deltas(events, "output_text.delta") == "It is forty-two."


@pytest.mark.shows("stream")
def test_the_events_of_code_and_answer(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6 * 7"), say("It is 42."))
    events = stream(client)
    assert order(events) == [*BEGIN, *of_code(0), *of_text(1), *END]
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_the_events_of_several_steps_with_texts_and_thoughts_before_them(client: OpenAI, model: ScriptedModel) -> None:
    model.script(
        reason("Hm, let me count.", run("print(1)", text="First:")),
        run("2", text="Second:"),
        reason("That is it, I think.", say("It is done.")),
    )
    events = stream(client)
    assert order(events) == [
        *BEGIN,
        *of_reasoning(0),
        *of_text(1),
        *of_code(2, output=True),
        *of_text(3),
        *of_code(4),
        *of_reasoning(5),
        *of_text(6),
        *END,
    ]
    assert (
        len(
            {
                event.item.container_id
                for event in events
                if getattr(event, "item", None) and event.output_index in (2, 4)
            }
        )
        == 1
    )


def test_thoughts_are_a_summary_for_those_who_ask_for_one(client: OpenAI, model: ScriptedModel) -> None:
    model.script(reason("Hm, well, let me see.", say("Yes.")))
    events = stream(client, reasoning={"summary": "auto"})
    assert order(events)[2:8] == [
        ("output_item.added", 0, "reasoning"),
        ("reasoning_summary_part.added", 0),
        ("reasoning_summary_text.delta", 0),
        ("reasoning_summary_text.done", 0),
        ("reasoning_summary_part.done", 0),
        ("output_item.done", 0, "reasoning"),
    ]
    assert deltas(events, "reasoning_summary_text.delta") == "Hm, well, let me see."
    thought = events[-1].response.output[0]
    assert ([part.text for part in thought.summary], thought.content) == (["Hm, well, let me see."], [])


def test_the_events_of_calls_in_one_step_are_told_apart_by_their_place(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("'first'", "'second'"), say("Both."))
    events = stream(client)
    assert order(events[:2]) == BEGIN
    # What is written comes first, and each call then runs by itself.
    for index in (0, 1):
        assert order(event for event in events if getattr(event, "output_index", None) == index) == of_code(index)
    assert [event.code for event in of_type(events, "code_interpreter_call_code.done")] == ["'first'", "'second'"]
    assert logs(events[-1].response) == ["'first'", "'second'"]
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_the_events_of_code_and_a_function_in_one_step(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", {"code": "1 + 1"}), ("weather", {"city": "Ulm"})))
    events = stream(client, tools=[*ASKED["tools"], WEATHER])
    function = [
        ("output_item.added", 1, "function_call"),
        ("function_call_arguments.delta", 1),
        ("function_call_arguments.done", 1),
        ("output_item.done", 1, "function_call"),
    ]
    code = of_code(0)
    # The call of the client's is whole before any code runs, as it needs no waiting.
    assert order(events) == [*BEGIN, *code[:3], *function, *code[3:], *END]
    assert json.loads(deltas(events, "function_call_arguments.delta")) == {"city": "Ulm"}
    assert kinds(events[-1].response) == ["code_interpreter_call", "function_call"]


def test_code_comes_as_the_model_writes_it(client: OpenAI, model: ScriptedModel) -> None:
    code = 'text = "Grüße, 世界 \\u00e9 \\\\ 🎉\\n"\nprint(text,\tend="")\n'
    model.script(run(code), say("Done."))
    events = stream(client)
    pieces = of_type(events, "code_interpreter_call_code.delta")
    assert "".join(event.delta for event in pieces) == code
    assert len(pieces) > 5
    [done] = of_type(events, "code_interpreter_call_code.done")
    assert done.code == code
    assert deltas(events, "insitu.output.delta") == "Grüße, 世界 é \\ 🎉\n"


@pytest.mark.parametrize("arguments", ['{"code": "print(1)\nprint(2)"}', '{"code":"print(1)\\nprint(2)"'])
def test_code_in_json_that_is_not_quite_right_is_told_of_in_full(
    client: OpenAI, model: ScriptedModel, arguments: str
) -> None:
    model.script(call(("python", arguments)), say("Done."))
    events = stream(client)
    [done] = of_type(events, "code_interpreter_call_code.done")
    assert done.code == deltas(events, "code_interpreter_call_code.delta") == "print(1)\nprint(2)"
    last = of_type(events, "output_item.done")[0].item
    assert last.status == ("completed" if arguments.endswith("}") else "failed")


def test_items_are_in_progress_when_they_are_added_and_whole_when_they_are_done(
    client: OpenAI, model: ScriptedModel
) -> None:
    model.script(run("6*7"), say("It is 42."))
    events = stream(client)
    added, done = of_type(events, "output_item.added"), of_type(events, "output_item.done")
    code, text = (event.item.model_dump() for event in added)
    assert (code["status"], code["code"], code["outputs"]) == ("in_progress", "", [])
    assert (text["status"], text["content"], text["role"]) == ("in_progress", [], "assistant")
    assert done[0].item.model_dump() == {
        **code,
        "status": "completed",
        "code": "6*7",
        "outputs": [{"type": "logs", "logs": "42"}],
    }
    assert done[1].item.status == "completed"
    assert [event.item for event in done] == events[-1].response.output
    assert [event.item.id for event in added] == [event.item.id for event in done]


def test_every_event_has_the_fields_of_openais(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("open('a.txt', 'w').write('a'); print(1)"), say("It is done."))
    seen: dict[str, set[str]] = {}
    with client.responses.with_streaming_response.create(**ASKED, stream=True) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        kind = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = json.loads(line.removeprefix("data: "))
                assert data["type"] == kind
                fields = set(data) - {"type", "sequence_number"}
                assert seen.setdefault(kind.removeprefix("response."), fields) == fields
    of_item, of_part = {"output_index", "item_id"}, {"output_index", "item_id", "content_index"}
    assert seen == {
        "created": {"response"},
        "in_progress": {"response"},
        "output_item.added": {"output_index", "item"},
        "code_interpreter_call.in_progress": of_item,
        "code_interpreter_call_code.delta": of_item | {"delta"},
        "code_interpreter_call_code.done": of_item | {"code"},
        "code_interpreter_call.interpreting": of_item,
        "insitu.output.delta": of_item | {"stream", "delta"},
        "code_interpreter_call.completed": of_item,
        "output_item.done": {"output_index", "item"},
        "content_part.added": of_part | {"part"},
        "output_text.delta": of_part | {"delta", "logprobs"},
        "output_text.annotation.added": of_part | {"annotation_index", "annotation"},
        "output_text.done": of_part | {"text", "logprobs"},
        "content_part.done": of_part | {"part"},
        "completed": {"response"},
    }


@pytest.mark.shows("silence")
def test_the_client_passes_over_what_fills_a_silence(url: str, model: ScriptedModel) -> None:
    model.script(run("import time; time.sleep(0.5)"), say("Done."))
    with tapped(url) as tap, OpenAI(base_url=f"{tap.url}/v1", api_key=KEYS[0], max_retries=0) as client:
        assert stream(client)[-1].response.output_text == "Done."
    assert b": keep-alive\n\n" in tap.sent


def test_the_clients_helper_puts_the_stream_together(client: OpenAI, model: ScriptedModel) -> None:
    model.script(
        reason("Hm.", run("1", "print(2)", text="Let me see.")),
        call(("python", {"code": "open('a', 'w').close()"}), ("weather", {"city": "Ulm"})),
    )
    tools = [*ASKED["tools"], WEATHER]
    with client.responses.stream(**{**ASKED, "tools": tools}) as events:
        list(events)
        response = events.get_final_response()
    assert kinds(response) == [
        "reasoning",
        "message",
        "code_interpreter_call",
        "code_interpreter_call",
        "code_interpreter_call",
        "function_call",
    ]
    assert response.output_text == "Let me see."


async def test_the_asynchronous_clients_streams(async_client: AsyncOpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("It is 42."))
    raw = [event async for event in await async_client.responses.create(**ASKED, stream=True)]
    assert order(raw) == [*BEGIN, *of_code(0), *of_text(1), *END]
    model.script(run("6*7"), say("It is 42."))
    async with async_client.responses.stream(**ASKED) as events:
        assert order([event async for event in events]) == order(raw)
        assert (await events.get_final_response()).output_text == "It is 42."


def test_what_is_streamed_is_what_is_fetched(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7", text="Well:"), say("It is 42."))
    events = stream(client)
    assert client.responses.retrieve(events[-1].response.id) == events[-1].response
    begun = events[0].response
    assert (begun.status, begun.output, begun.usage) == ("in_progress", [], None)
    assert begun.id == events[-1].response.id


@pytest.mark.shows("leaving")
async def test_a_client_that_leaves_ends_turn_and_upstream(async_client: AsyncOpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7", text="See."), hang(say("It is 42 indeed."), after=3))
    events = await async_client.responses.create(**ASKED, stream=True)
    async for event in events:
        if event.type == "response.output_text.delta" and event.delta.endswith("42"):
            break
    assert not model.requests[1].closed.is_set()
    await events.close()
    await model.wait_closed(1)
