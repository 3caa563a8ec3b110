"""Responses as the official client gets them whole: what the model wrote, what came of it, what was made."""

from __future__ import annotations

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support.model import ScriptedModel, call, reason, say
from tests.support.responses import ASKED, PYTHON, ask, calls, kinds, logs, run, told

pytestmark = pytest.mark.client("openai")


@pytest.mark.shows("answer")
def test_code_is_run_on_the_way_to_one_answer(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7", text="Let me see."), say("It is 42."))
    response = ask(client)
    assert (response.status, response.error, response.incomplete_details) == ("completed", None, None)
    assert kinds(response) == ["message", "code_interpreter_call", "message"]
    assert response.output_text == "Let me see.It is 42."
    [made] = calls(response)
    assert (made.status, made.code, logs(response)) == ("completed", "6*7", ["42"])
    assert [str(item.id).partition("_")[0] for item in response.output] == ["msg", "ci", "msg"]
    assert made.container_id.startswith("cntr_") and response.id.startswith("resp_")


async def test_the_asynchronous_client_gets_the_same(async_client: AsyncOpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("It is 42."))
    response = await async_client.responses.create(**ASKED)
    assert (kinds(response), response.output_text) == (["code_interpreter_call", "message"], "It is 42.")
    assert logs(response) == ["42"]


def test_the_model_is_told_what_came_of_its_code_and_goes_on(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 20\nprint(x)"), run("x + 1", text="And one more:"), run("x * 2 + 2"), say("It is 42."))
    response = ask(client, instructions="Count well.")
    assert logs(response) == ["20", "21", "42"]
    assert len({made.container_id for made in calls(response)}) == 1
    assert told(model.requests[-1].body) == ["20", "21", "42"]
    messages = model.requests[-1].body["messages"]
    assert [message["role"] for message in messages] == ["system", "user", *["assistant", "tool"] * 3]
    assert messages[:2] == [
        {"role": "system", "content": "Count well."},
        {"role": "user", "content": "How much is it?"},
    ]
    assert messages[4]["content"] == "And one more:"
    assert [call["function"]["name"] for call in messages[4]["tool_calls"]] == ["python"]


def test_calls_of_one_step_run_in_their_order_and_share_what_they_set(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 1\nx", "x += 1\nx", "x += 1\nx"), say("3"))
    response = ask(client)
    assert (kinds(response), logs(response)) == (["code_interpreter_call"] * 3 + ["message"], ["1", "2", "3"])
    assert told(model.requests[1].body) == ["1", "2", "3"]


def test_calls_without_ids_and_all_with_the_index_0_are_kept_apart(client: OpenAI, model: ScriptedModel) -> None:
    codes = [("python", {"code": "1"}), ("python", {"code": "2"})]
    model.script(call(*codes, whole_calls=True), say("both"))
    assert logs(ask(client)) == ["1", "2"]
    model.script(call(codes[0], no_ids=True), say("one"))
    assert logs(ask(client)) == ["1"]


def test_no_sandbox_is_made_when_no_code_runs(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("I know that."))
    response = ask(client)
    assert (kinds(response), response.output_text) == (["message"], "I know that.")
    [request] = model.requests
    assert request.body["tools"][0]["function"]["name"] == "python"
    assert request.body["messages"] == [{"role": "user", "content": "How much is it?"}]


def test_without_tools_it_is_a_plain_answer(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    response = client.responses.create(model="m", input="Hi")
    assert (kinds(response), response.output_text, response.tools) == (["message"], "Hello.", [])
    assert "tools" not in model.requests[0].body


def test_what_was_asked_is_in_the_response(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Well."))
    asked = {
        "instructions": "Be kind.",
        "max_output_tokens": 500,
        "max_tool_calls": 3,
        "metadata": {"who": "me"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "safety_identifier": "s",
        "temperature": 0.5,
        "top_p": 0.25,
        "truncation": "disabled",
        "user": "u",
    }
    response = ask(client, **asked).model_dump()
    assert {name: response[name] for name in asked} == asked | {"reasoning": response["reasoning"]}
    assert response["reasoning"]["effort"] == "low"
    assert response["tools"][0]["type"] == PYTHON["type"]
    assert (response["object"], response["model"], response["store"]) == ("response", "m", True)
    assert response["background"] is False and response["previous_response_id"] is None
    assert response["completed_at"] >= response["created_at"] > 1_700_000_000
    assert response["text"] == {"format": {"type": "text"}, "verbosity": None}
    assert response["tool_choice"] == "auto" and response["conversation"] is None


def test_what_code_does_wrong_is_output_like_any_other(client: OpenAI, model: ScriptedModel) -> None:
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n1/0"
    model.script(run(code), say("It fails."))
    response = ask(client)
    assert calls(response)[0].status == "completed"
    [output] = logs(response)
    assert output.startswith("out\nerr\nTraceback (most recent call last):\n")
    assert output.endswith("ZeroDivisionError: division by zero")
    assert told(model.requests[1].body) == [output]


def test_arguments_that_are_no_json_are_told_to_the_model_and_run_nothing(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("python", '{"code": "1+')), call(("python", {"source": "1"})), run("1"), say("done"))
    response = ask(client)
    assert [made.status for made in calls(response)] == ["failed", "failed", "completed"]
    assert [made.code for made in calls(response)] == ["1+", "", "1"]
    unreadable, missing, one = told(model.requests[-1].body)
    assert unreadable.startswith("[not run: the arguments are not valid JSON: ")
    assert missing == '[not run: the argument "code" is missing; send {"code": "…"} with the Python to run]'
    assert one == "1"


def test_a_tool_that_nobody_has_is_told_to_the_model(client: OpenAI, model: ScriptedModel) -> None:
    model.script(call(("search", {"query": "x"})), say("There is none."))
    response = ask(client)
    assert (kinds(response), response.output_text) == (["message"], "There is none.")
    assert told(model.requests[1].body) == ["[not run: there is no tool 'search'; there are: python]"]


def test_reasoning_is_an_item_before_what_it_led_to(client: OpenAI, model: ScriptedModel) -> None:
    model.script(reason("Hm, I should count.", run("6*7")), reason("Now I know.", say("42"), name="reasoning"))
    response = ask(client)
    assert kinds(response) == ["reasoning", "code_interpreter_call", "reasoning", "message"]
    thoughts = [item.content[0].text for item in response.output if item.type == "reasoning" and item.content]
    assert thoughts == ["Hm, I should count.", "Now I know."]
    # Models that think between calls want to read it again.
    assert model.requests[1].body["messages"][1]["reasoning_content"] == "Hm, I should count."


def test_outputs_are_shown_only_if_they_are_asked_for(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("42"))
    response = ask(client, include=None)
    assert calls(response)[0].outputs is None
    assert calls(client.responses.retrieve(response.id))[0].outputs is None
    assert logs(client.responses.retrieve(response.id, include=["code_interpreter_call.outputs"])) == ["42"]
