"""A model server that is away, refuses, breaks off or talks nonsense: told clearly, and asked again if that is safe."""

from __future__ import annotations

import json
import socket

import openai
import pytest

from tests.support.model import ScriptedModel, broken, call, fail, garbage, hang, say, unfinished
from tests.support.responses import PYTHON, run
from tests.support.steps import Step, error
from tests.support.turns import Place, statuses
from tests.turn.conftest import Served

# The official client asks three times, at once.
SOON = {"retry-after-ms": "1"}


@pytest.mark.parametrize(
    ("status", "headers", "told", "asked"),
    [
        (400, {}, 400, 1),
        (401, {}, 502, 1),
        (403, {}, 502, 1),
        (404, {}, 404, 1),
        (409, SOON, 502, 3),
        (422, {}, 422, 1),
        (429, SOON, 429, 3),
        (500, SOON, 502, 3),
        (503, SOON, 429, 3),
        (302, {"location": "/elsewhere"}, 502, 1),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_upstream_refuses_at_first_is_a_plain_error(
    place: Place, model: ScriptedModel, stream: bool, status: int, headers: dict[str, str], told: int, asked: int
) -> None:
    body = error("That will not do.", "some_error")
    model.script(*[fail(status, body, headers)] * asked)
    with pytest.raises(openai.APIStatusError) as raised:
        await place.ask(stream=stream)
    assert raised.value.status_code == told
    assert f"the model server answered {status}: That will not do." in raised.value.message
    assert len(model.requests) == asked
    assert place.service.engine.sessions() == []


async def test_the_time_to_wait_is_passed_on(place: Place, model: ScriptedModel) -> None:
    model.script(fail(429, headers={"retry-after": "17", "x-should-retry": "false"}))
    with pytest.raises(openai.RateLimitError) as raised:
        await place.ask()
    assert raised.value.response.headers["retry-after"] == "17"
    assert raised.value.code == "upstream_busy"


async def test_a_caller_whose_own_key_goes_upstream_learns_that_it_is_refused(
    serve: Served, model: ScriptedModel
) -> None:
    model.script(fail(401, error("No such key.", "invalid_request_error")))
    async with serve(upstream_forward_key=True) as place:
        with pytest.raises(openai.AuthenticationError, match="No such key"):
            await place.ask()


async def test_an_upstream_that_is_not_there_is_named(serve: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    async with serve(upstream=nobody) as place:
        with pytest.raises(openai.InternalServerError) as raised:
            await place.ask()
    assert (raised.value.status_code, raised.value.code) == (502, "upstream_failed")
    assert nobody in raised.value.message


async def test_a_server_without_a_model_says_so(serve: Served) -> None:
    async with serve(upstream="") as place:
        with pytest.raises(openai.InternalServerError) as raised:
            await place.ask(max_retries=2)
    assert (raised.value.status_code, raised.value.code) == (501, "no_upstream")
    assert "--upstream" in raised.value.message
    assert raised.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "first",
    [
        broken(say("Never."), None),
        broken(say("Never."), 1),
        unfinished(say("")),
        fail(500, headers=SOON),
        garbage(b'data: {"id": \n\n'),
        garbage(b"data: 5\n\n"),
        garbage(b'data: {"error": {"message": "I am not well.", "type": "server_error"}}\n\n'),
        garbage(b"<html>Bad gateway</html>"),
    ],
    ids=["before its head", "before its text", "unfinished", "an error", "no JSON", "no object", "told", "no stream"],
)
async def test_an_answer_that_fails_before_it_says_anything_is_asked_for_again(
    place: Place, model: ScriptedModel, first: Step
) -> None:
    model.script(first, say("Well."))
    response = await place.ask()
    assert (response.status, response.output_text) == ("completed", "Well.")
    assert len(model.requests) == 2
    assert model.requests[0].body == model.requests[1].body


async def test_it_is_asked_for_three_times_at_the_most(place: Place, model: ScriptedModel) -> None:
    model.script(*[broken(say("Never."), 1)] * 6)
    with pytest.raises(openai.InternalServerError, match="broke off"):
        await place.ask()
    assert len(model.requests) == 3
    # A stream has begun as soon as the model server has.
    events = await place.events()
    assert [event.type for event in events] == ["response.created", "response.in_progress", "response.failed"]
    assert "broke off" in events[-1].response.error.message
    assert len(model.requests) == 6


async def test_a_stream_begins_when_the_model_server_does(place: Place, model: ScriptedModel) -> None:
    model.script(hang(say("Well."), 0))
    stream = await place.stream()
    assert [(await anext(stream)).type for _ in range(2)] == ["response.created", "response.in_progress"]
    await stream.close()
    await model.wait_closed(0)


BREAKS: dict[str, tuple[Step, str]] = {
    "broken": (broken(say("It is a long story."), 2), "broke off"),
    "unfinished": (unfinished(say("It is a")), "stopped before its end"),
}
NONSENSE: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"data: {nonsense\n\n", "no JSON"),
    "no object": (b'data: "x"\n\n', "no chat completion: x"),
    "no text": (b"data: \xff\xfe\n\n", "no JSON"),
    "an error": (b'data: {"error": {"message": "I am not well."}}\n\n', "failed: I am not well."),
    "odd choices": (b'data: {"choices": [7]}\n\n', "no chat completion"),
    "odd content": (b'data: {"choices": [{"index": 0, "delta": {"content": {"a": 1}}}]}\n\n', "no chat completion"),
    "odd calls": (b'data: {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": "a"}]}}]}\n\n', "no chat"),
    "odd usage": (b'data: {"choices": [], "usage": {"prompt_tokens": "many"}}\n\n', "no chat completion"),
}
TEXT = b'data: {"choices": [{"index": 0, "delta": {"content": "It is a"}}]}\n\n'
BREAKS |= {name: (garbage(TEXT + nonsense), why) for name, (nonsense, why) in NONSENSE.items()}


@pytest.mark.parametrize("kind", BREAKS)
async def test_a_stream_that_fails_in_the_midst_ends_with_the_reason(
    place: Place, model: ScriptedModel, kind: str
) -> None:
    step, why = BREAKS[kind]
    model.script(step)
    events = await place.events()
    last = events[-1]
    assert last.type == "response.failed"
    assert why in last.response.error.message
    assert last.response.error.code == "server_error"
    [message] = last.response.output
    assert (message.status, message.content[0].text[:7]) == ("incomplete", "It is a")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert len(model.requests) == 1
    stored = await place.client.responses.retrieve(last.response.id)
    assert (stored.status, stored.error) == ("failed", last.response.error)


async def test_a_plain_request_that_ran_nothing_fails_as_an_error_and_may_be_sent_again(
    place: Place, model: ScriptedModel
) -> None:
    model.script(broken(say("It is a long story."), 2), say("Short."))
    assert (await place.ask(max_retries=1)).output_text == "Short."


@pytest.mark.parametrize(
    "second",
    [
        broken(say("It is a long story."), 2),
        fail(400, error("Too long.", "invalid_request_error")),
        fail(500, headers={"x-should-retry": "false"}),
        fail(429, headers={"x-should-retry": "false"}),
        fail(401),
    ],
    ids=["broken", "refused", "error", "busy", "key"],
)
async def test_once_code_has_run_no_client_sends_the_request_again(
    place: Place, model: ScriptedModel, second: Step
) -> None:
    container = await place.container()
    model.script(run("open('ran', 'a').write('x')"), second)
    response = await place.ask(tools=[{**PYTHON, "container": container.id}], max_retries=2)
    assert response.status == "failed"
    assert response.error
    assert response.error.message.startswith("the model server")
    assert [item.type for item in response.output][:1] == ["code_interpreter_call"]
    assert await place.text("ran") == "x"
    assert len(model.requests) == 2
    assert (response.usage and response.usage.output_tokens) == 5


async def test_a_second_step_that_says_nothing_at_first_is_asked_for_again(place: Place, model: ScriptedModel) -> None:
    model.script(run("open('ran', 'a').write('x')"), broken(say("Never."), 1), say("Done."))
    assert (await place.ask()).output_text == "Done."
    assert await place.text("ran") == "x"


async def test_a_silent_upstream_is_told_of(serve: Served, model: ScriptedModel) -> None:
    async with serve(upstream_timeout_s=0.2) as place:
        model.script(*[hang(after=None)] * 3)
        with pytest.raises(openai.InternalServerError) as raised:
            await place.ask()
        assert (raised.value.status_code, raised.value.code) == (504, "upstream_timeout")
        assert "said nothing for 0.2 s" in raised.value.message
        model.script(hang(say("It is a long story."), 2))
        last = (await place.events())[-1]
        assert (last.type, last.response.status) == ("response.failed", "failed")
        assert "said nothing for 0.2 s" in last.response.error.message


async def test_a_call_that_breaks_off_in_its_code_is_not_run(place: Place, model: ScriptedModel) -> None:
    model.script(broken(call(("python", {"code": "open('ran', 'w').write('x')"})), 4))
    events = await place.events()
    assert events[-1].type == "response.failed"
    [item] = events[-1].response.output
    assert (item.type, item.status) == ("code_interpreter_call", "incomplete")
    assert place.service.engine.sessions() == []


async def test_a_block_of_code_that_breaks_off_is_not_run(serve: Served, model: ScriptedModel) -> None:
    async with serve(fenced_models=("m",)) as place:
        model.script(broken(say("Let me see.\n```python\nopen('ran', 'w').write('x')\n```\n"), 6))
        last = (await place.events())[-1]
        assert (last.type, last.response.status) == ("response.failed", "failed")
        assert statuses(last.response) == [("message", "completed"), ("code_interpreter_call", "incomplete")]
        assert place.service.engine.sessions() == []


async def test_halves_of_characters_are_replaced(place: Place, model: ScriptedModel) -> None:
    function = {"name": "python", "arguments": '{"code": "1"}'}
    calls = [{"index": 0, "id": "a", "function": function}]
    delta = {"content": "\ud83d", "reasoning_content": "\udc00", "tool_calls": calls}
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}
    model.script(garbage(f"data: {json.dumps(chunk)}\n\n".encode()), say("Done."))
    response = await place.ask()
    assert (response.status, response.output_text) == ("completed", "?Done.")
    assert model.requests[1].body["messages"][1]["content"] == "?"
    assert (await place.client.responses.retrieve(response.id)).output_text == "?Done."
