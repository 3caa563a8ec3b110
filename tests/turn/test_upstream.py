"""What a model server does not know is left out, from then on; what it says of one request changes no other."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, RateLimitError
from openai.types.responses.tool_param import CodeInterpreter

from tests.support.model import ScriptedModel, call, fail, garbage, say
from tests.support.steps import Step
from tests.turn.conftest import Served

REFUSAL = b"".join(
    b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": end}]}).encode()
    for delta, end in [({"refusal": "I cannot "}, None), ({"refusal": "help with that."}, None), ({}, "stop")]
)
CODE: CodeInterpreter = {"type": "code_interpreter", "container": {"type": "auto"}}


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "max_tokens is too large: 99999; the context has 4096", "code": "invalid"}},
        {"error": {"message": "Invalid value", "param": "max_tokens", "code": "integer_above_max_value"}},
        {"error": {"message": "the prompt 'what does stream_options do?' is refused by policy"}},
    ],
    ids=["value", "param", "quoted"],
)
async def test_a_fault_with_one_request_changes_no_other(serve: Served, model: ScriptedModel, body: Any) -> None:
    async with serve() as place:
        model.script(fail(400, body), say("Done."))
        with pytest.raises(BadRequestError):
            await place.client.responses.create(model="scripted", input="What?", max_output_tokens=50)
        await place.client.responses.create(model="scripted", input="What?", max_output_tokens=50)
    sent = model.requests[-1].body
    assert (sent["max_tokens"], sent["stream_options"]) == (50, {"include_usage": True})


async def test_what_a_model_server_does_not_know_is_left_out_from_then_on(serve: Served) -> None:
    with ScriptedModel(refuses=("stream_options",)) as model:
        async with serve(upstream=model.url) as place:
            for _ in range(2):
                model.script(say("Done."))
                response = await place.client.responses.create(model="scripted", input="What?")
                assert response.output_text == "Done."
        assert ["stream_options" in request.body for request in model.requests] == [True, False, False]


async def test_one_call_at_a_time_is_kept_though_the_model_makes_two(serve: Served, model: ScriptedModel) -> None:
    async with serve() as place:
        model.script(call(("python", {"code": "1"}), ("python", {"code": "2"})), say("Done."))
        response = await place.client.responses.create(
            model="scripted", input="What?", tools=[CODE], parallel_tool_calls=False
        )
    codes = [item.code for item in response.output if item.type == "code_interpreter_call"]
    told = [message["content"] for message in model.requests[-1].body["messages"] if message["role"] == "tool"]
    assert codes == ["1"]
    assert told == ["1", "[not run: one call at a time; send it again if it is still needed]"]


async def test_tokens_that_are_not_told_of_count_all_the_same(serve: Served, model: ScriptedModel) -> None:
    async with serve() as place:
        code = "print(" + " + ".join(["1"] * 40) + ")"
        model.script(*[call(("python", {"code": code}), usage=None)] * 3)
        response = await place.client.responses.create(
            model="scripted", input="What?", tools=[CODE], max_output_tokens=60
        )
    bounds = [request.body["max_tokens"] for request in model.requests]
    assert bounds[0] == 60
    assert bounds == sorted(bounds, reverse=True) and len(set(bounds)) == len(bounds)
    assert response.status == "incomplete"


async def test_a_refusal_is_told(serve: Served, model: ScriptedModel) -> None:
    async with serve() as place:
        model.script(garbage(REFUSAL))
        response = await place.client.responses.create(model="scripted", input="What?")
    assert response.output_text == "I cannot help with that."


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (garbage(b"data: " + b"a" * (9 << 20)), "a line over 8388608"),
        (fail(400, b"x" * (300 << 10)), "broke off its reason"),
        (fail(400, gzip.compress(b"x" * (1 << 20)), {"content-encoding": "gzip"}), "is compressed (gzip)"),
        (call(*[("python", {"code": "1"})] * 129), "more than 128 calls at once"),
    ],
    ids=["line", "error", "gzip", "calls"],
)
async def test_answers_beyond_all_measure_are_refused(
    serve: Served, model: ScriptedModel, step: Step, why: str
) -> None:
    async with serve() as place:
        model.script(*[step] * (1 if "calls" in why else 3))
        client = place.client.with_options(max_retries=0)
        with pytest.raises(APIStatusError) as caught:
            await client.responses.create(model="scripted", input="What?", tools=[CODE])
    assert caught.value.status_code == 502
    assert why in caught.value.message
    model.forget()


async def test_too_many_commands_at_once_are_refused_before_anybody_hears_of_them(
    serve: Served, model: ScriptedModel
) -> None:
    async with serve() as place:
        model.script(call(("shell", {"commands": ["true"] * 17})), say("Done."))
        response = await place.client.responses.create(
            model="scripted", input="What?", tools=[{"type": "shell", "environment": {"type": "container_auto"}}]
        )
    assert [item.type for item in response.output] == ["shell_call", "shell_call_output", "message"]
    assert "17 commands at once; 16 is the most" in model.requests[-1].body["messages"][-1]["content"]


async def test_a_nonsense_time_to_wait_is_a_second(serve: Served, model: ScriptedModel) -> None:
    async with serve() as place:
        model.script(*[fail(429, headers={"retry-after": "nan"})] * 3)  # the official client tries again
        client = place.client.with_options(max_retries=0)
        with pytest.raises(RateLimitError) as caught:
            await client.responses.create(model="scripted", input="What?")
    assert caught.value.response.headers["retry-after"] == "1"
