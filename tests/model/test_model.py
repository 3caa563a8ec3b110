"""A real model's arithmetic: what it cannot know by heart comes from the sandbox."""

from __future__ import annotations

import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseCodeInterpreterToolCall
from openai.types.responses.response_code_interpreter_tool_call import OutputLogs
from openai.types.responses.tool_param import CodeInterpreter

from tests.model.few_shot import ARITHMETIC, REPAIRS, question

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

MODEL = "gemma"
PYTHON: CodeInterpreter = {"type": "code_interpreter", "container": {"type": "auto"}}
PRODUCTS = [(48317, 90263), (98765, 43217), (31847, 27191), (20947, 77813)]


def ask(client: OpenAI, text: str, after: Response | None = None) -> Response:
    return client.responses.create(
        model=MODEL,
        input=text,
        tools=[PYTHON],
        include=["code_interpreter_call.outputs"],
        temperature=0,
        previous_response_id=after.id if after else None,
    )


def calls(response: Response) -> list[ResponseCodeInterpreterToolCall]:
    return [item for item in response.output if isinstance(item, ResponseCodeInterpreterToolCall)]


def logs(call: ResponseCodeInterpreterToolCall) -> str:
    return "".join(output.logs for output in call.outputs or () if isinstance(output, OutputLogs)).strip()


@pytest.mark.parametrize(("a", "b"), PRODUCTS)
def test_the_answer_is_the_number_that_the_sandbox_computed(client: OpenAI, a: int, b: int) -> None:
    response = ask(client, ARITHMETIC + question(f"What is {a} times {b}?"))
    (call,) = calls(response)
    assert call.code == f"print({a} * {b})\n"
    assert logs(call) == str(a * b)
    assert response.output_text == f"Answer: {a * b}\n"


@pytest.mark.parametrize(("a", "b"), PRODUCTS)
def test_without_the_sandbox_the_model_does_not_know(client: OpenAI, a: int, b: int) -> None:
    text = ARITHMETIC + question(f"What is {a} times {b}?")
    response = client.responses.create(model=MODEL, input=text, temperature=0, max_output_tokens=100)
    # It makes the output up.
    assert f"```python\nprint({a} * {b})\n```\nOutput:\n```\n" in response.output_text
    assert str(a * b) not in response.output_text


def test_other_operations_come_from_the_sandbox_too(client: OpenAI) -> None:
    response = ask(client, ARITHMETIC + question("What is 13 to the power of 13?"))
    assert [logs(call) for call in calls(response)] == [str(13**13)]
    assert response.output_text == f"Answer: {13**13}\n"


def test_a_conversation_goes_on_in_the_same_container(client: OpenAI) -> None:
    first = ask(client, ARITHMETIC + question("What is 48317 times 90263?"))
    second = ask(client, question("What is 7391 minus 88214?"), after=first)
    assert second.output_text == f"Answer: {7391 - 88214}\n"
    assert [call.container_id for call in calls(second)] == [call.container_id for call in calls(first)]


def test_the_model_repairs_what_failed(client: OpenAI) -> None:
    response = ask(client, REPAIRS + question("What is the square root of 30452345?"))
    failed, repaired = calls(response)
    assert "NameError: name 'sqrt' is not defined" in logs(failed)
    assert logs(repaired) == "5518.364340998155"
    assert response.output_text == "Answer: 5518.364340998155\n"


def test_code_and_answer_are_streamed_as_the_model_writes_them(client: OpenAI) -> None:
    text = ARITHMETIC + question("What is 31847 times 27191?")
    with client.responses.stream(model=MODEL, input=text, tools=[PYTHON], temperature=0) as stream:
        events = list(stream)
        final = stream.get_final_response()
    code = [event.delta for event in events if event.type == "response.code_interpreter_call_code.delta"]
    answer = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert ["".join(code)] == [call.code for call in calls(final)] == ["print(31847 * 27191)\n"]
    assert "".join(answer) == final.output_text == f"Answer: {31847 * 27191}\n"
    assert len(code) > 5 and len(answer) > 5
