"""Responses as the official client gets them whole: what the model wrote, what came of it, what was made."""

from __future__ import annotations

from openai import AsyncOpenAI, OpenAI

from tests.support.model import ScriptedModel, say
from tests.support.responses import OUTPUTS, PYTHON, calls, kinds, logs, run, told


def test_code_is_run_on_the_way_to_one_answer(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7", text="Let me see."), say("It is 42."))
    response = client.responses.create(model="m", input="How much?", tools=[PYTHON], include=OUTPUTS)
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert kinds(response) == ["message", "code_interpreter_call", "message"]
    assert response.output_text == "Let me see.It is 42."
    [made] = calls(response)
    assert (made.status, made.code, logs(made)) == ("completed", "6*7", "42")
    assert response.output[0].id.startswith("msg_") and made.id.startswith("ci_")
    assert made.container_id.startswith("cntr_") and response.id.startswith("resp_")


async def test_the_asynchronous_client_gets_the_same(async_client: AsyncOpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("It is 42."))
    response = await async_client.responses.create(model="m", input="How much?", tools=[PYTHON], include=OUTPUTS)
    assert (kinds(response), response.output_text) == (["code_interpreter_call", "message"], "It is 42.")
    assert logs(calls(response)[0]) == "42"
