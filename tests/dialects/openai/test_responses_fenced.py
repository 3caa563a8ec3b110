"""Models that call no tools: their Python blocks are run, and they go on with the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from openai import BadRequestError, OpenAI

from insitu.settings import Settings
from tests.support.model import ScriptedModel, hang, say
from tests.support.responses import PYTHON, SHELL, WEATHER, ask, calls, cited, deltas, kinds, logs, order, run, stream
from tests.support.serving import serving

BLOCK = "Let me see.\n```python\nprint(6 * 7)\n```\n"


@pytest.fixture(scope="module")
def client(settings: Callable[..., Settings], connect: Callable[..., OpenAI]) -> Iterator[OpenAI]:
    """The client of a server whose models all write blocks."""
    with serving(settings(fenced_models=("base-*",))) as url:
        yield connect(url)


def contents(model: ScriptedModel) -> list[tuple[str, str]]:
    """Roles and contents of the last request, without what explains the mode."""
    messages = model.requests[-1].body["messages"]
    assert messages[0]["role"] == "system"
    return [(message["role"], message["content"]) for message in messages[1:]]


def test_a_block_is_run_and_the_model_goes_on(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say(BLOCK), say("It is 42."))
    events = stream(client, model="base-1")
    response = events[-1].response
    assert kinds(response) == ["message", "code_interpreter_call", "message"]
    assert (calls(response)[0].code, logs(response)) == ("print(6 * 7)\n", ["42"])
    assert [item.content[0].text for item in response.output if item.type == "message"] == [
        "Let me see.\n",
        "It is 42.",
    ]
    assert deltas(events, "code_interpreter_call_code.delta") == "print(6 * 7)\n"
    assert order(events)[2:15] == [
        ("output_item.added", 0, "message"),
        ("content_part.added", 0),
        ("output_text.delta", 0),
        ("output_text.done", 0),
        ("content_part.done", 0),
        ("output_item.done", 0, "message"),
        ("output_item.added", 1, "code_interpreter_call"),
        ("code_interpreter_call.in_progress", 1),
        ("code_interpreter_call_code.delta", 1),
        ("code_interpreter_call_code.done", 1),
        ("code_interpreter_call.interpreting", 1),
        ("insitu.output.delta", 1),
        ("code_interpreter_call.completed", 1),
    ]
    assert contents(model) == [
        ("user", "How much is it?"),
        ("assistant", BLOCK),
        ("user", "Output:\n```\n42\n```\n"),
    ]


def test_the_model_is_told_how_and_is_offered_no_tools(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    ask(client, model="base-1", instructions="Be kind.")
    [request] = model.requests
    assert "tools" not in request.body
    said = request.body["messages"][0]["content"]
    assert said.startswith("Be kind.\n\nYou can run Python. Write a block that begins with ```python and ends with ```")
    assert "/mnt/data" in said


async def test_the_model_is_stopped_at_the_end_of_its_block(client: OpenAI, model: ScriptedModel) -> None:
    # What it makes up of the output is never read: the server would go on for ever.
    model.script(hang(say(BLOCK + "Output:\n41\n"), after=8), say("It is 42."))
    response = ask(client, model="base-1")
    assert response.output_text == "Let me see.\nIt is 42."
    await model.wait_closed(0)
    assert not model.requests[0].answered


def test_blocks_of_several_steps_share_their_session(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("```python\nx = 6\n```\n"), say("```py\nx * 7\n```"), say("It is 42."))
    response = ask(client, model="base-1")
    assert (kinds(response), logs(response)) == (["code_interpreter_call"] * 2 + ["message"], ["", "42"])
    assert contents(model)[1:] == [
        ("assistant", "```python\nx = 6\n```\n"),
        ("user", "Output:\n```\n[no output]\n```\n"),
        ("assistant", "```python\nx * 7\n```\n"),
        ("user", "Output:\n```\n42\n```\n"),
    ]


def test_the_next_turn_reads_the_blocks_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say(BLOCK), say("It is 42."), say("```python\n1\n```\n"), say("Yes."))
    first = ask(client, model="base-1")
    second = ask(client, model="base-1", input="Really?", previous_response_id=first.id)
    assert calls(second)[0].container_id == calls(first)[0].container_id
    assert contents(model)[:5] == [
        ("user", "How much is it?"),
        ("assistant", BLOCK),
        ("user", "Output:\n```\n42\n```\n"),
        ("assistant", "It is 42."),
        ("user", "Really?"),
    ]


def test_blocks_of_other_languages_are_text(client: OpenAI, model: ScriptedModel) -> None:
    text = 'So:\n```json\n{"a": 1}\n```\nAnd:\n```bash\nls\n```\n'
    model.script(say(text))
    response = ask(client, model="base-1")
    assert (kinds(response), response.output_text) == (["message"], text)


def test_a_block_that_the_model_does_not_close_is_run_when_it_stops(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("```python\n6 * 7"), say("It is 42."))
    response = ask(client, model="base-1")
    assert (logs(response), response.output_text) == (["42"], "It is 42.")


def test_a_block_that_was_cut_off_is_not_run(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("```python\n6 * 7", finish_reason="length"))
    response = ask(client, model="base-1")
    assert (response.status, [made.status for made in calls(response)]) == ("incomplete", ["incomplete"])
    assert response.incomplete_details is not None and response.incomplete_details.reason == "max_output_tokens"
    assert (calls(response)[0].code, calls(response)[0].outputs) == ("6 * 7", [])


def test_an_empty_block_is_run_all_the_same(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("```python\n```\n"), say("Nothing."))
    response = ask(client, model="base-1")
    assert (kinds(response), logs(response)) == (["code_interpreter_call", "message"], [""])


def test_files_of_a_block_are_cited(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("```python\nopen('a.csv', 'w').write('1')\n```\n"), say("[a](sandbox:/mnt/data/a.csv)"))
    assert [each["filename"] for each in cited(ask(client, model="base-1"))] == ["a.csv"]


def test_when_no_call_is_left_a_block_is_text(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say(BLOCK), say(BLOCK))
    response = ask(client, model="base-1", max_tool_calls=1)
    assert kinds(response) == ["message", "code_interpreter_call", "message"]
    assert response.output_text == "Let me see.\n" + BLOCK


def test_other_models_of_the_server_call_tools(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6 * 7"), say(BLOCK))
    response = ask(client, model="large")
    assert (logs(response), response.output_text) == (["42"], BLOCK)


@pytest.mark.parametrize("tool", [WEATHER, SHELL])
def test_such_a_model_has_no_other_tools(client: OpenAI, model: ScriptedModel, tool: dict[str, object]) -> None:
    with pytest.raises(BadRequestError, match="'base-1' calls no tools"):
        ask(client, model="base-1", tools=[PYTHON, tool])
    assert model.requests == []


def test_without_python_such_a_model_is_like_any_other(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say(BLOCK))
    response = ask(client, model="base-1", tools=[])
    assert (kinds(response), response.output_text) == (["message"], BLOCK)
    assert model.requests[0].body["messages"] == [{"role": "user", "content": "How much is it?"}]
