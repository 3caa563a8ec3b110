"""Interactions with code, asked for by Google's own client."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai

from tests.dialects.conftest import KEYS
from tests.support.interactions import ASKED, PYTHON, follow, interact, kinds, put_together, refused
from tests.support.model import ScriptedModel, broken, call, fail, reason, say
from tests.support.picture import PNG, SHOW
from tests.support.responses import run
from tests.support.tap import tapped

from .conftest import Connect

pytestmark = pytest.mark.client("google-genai", "interactions")

Serve = Callable[..., str]

WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {"city": {}}}}
SLOW = "import time; time.sleep(0.5)"
FILLER = b": keep-alive\n\n"
DOWN = {"x-should-retry": "false"}


@pytest.mark.shows("silence")
async def test_the_client_passes_over_what_fills_a_silence(
    url: str, connect_genai: Connect, model: ScriptedModel
) -> None:
    model.script(run(SLOW), say("Done."), run(SLOW), say("Done."))
    with tapped(url) as tap:
        client = connect_genai(tap.url)
        told = follow(client)
        assert tap.sent.count(FILLER) > 0
        tap.sent = b""
        streamed: Any = await client.aio.interactions.create(**ASKED, stream=True)
        assert [event.event_type async for event in streamed] == [event.event_type for event in told]
        assert tap.sent.count(FILLER) > 0
        client.close()
        await client.aio.aclose()
    assert told[-1].event_type == "interaction.completed" and told[-1].interaction.status == "completed"


@pytest.mark.shows("answer")
def test_an_interaction_has_its_code_and_what_came_of_it(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("print(6 * 7)\n6 * 8", text="Let me see."), say("It is 42."))
    made = interact(gemini, labels={"team": "a"})
    said, code, result, last = made.steps
    assert kinds(made.steps) == ["model_output", "code_execution_call", "code_execution_result", "model_output"]
    assert (said.content[0].text, last.content[0].text, made.output_text) == ("Let me see.", "It is 42.", "It is 42.")
    assert (code.arguments.code, code.arguments.language) == ("print(6 * 7)\n6 * 8", "python")
    assert (result.call_id, result.result, result.is_error) == (code.id, "42\n48", False)
    assert (made.status, made.model, made.labels) == ("completed", "m", {"team": "a"})
    usage = made.usage
    assert (usage.total_input_tokens, usage.total_output_tokens, usage.total_tokens) == (20, 10, 30)


def test_code_that_fails_is_an_error_of_its_result(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("1/0"), say("Oh."))
    result = interact(gemini).steps[1]
    assert result.is_error is True and "ZeroDivisionError: division by zero" in result.result


@pytest.mark.shows("files out", "images")
def test_figures_and_files_come_with_it(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run(f"n = open('a.csv', 'w').write('x,y')\n{SHOW}"), say("Here."))
    made = interact(gemini)
    figure, text, file = [step.content[0] for step in made.steps if step.type == "model_output"]
    assert (figure.type, figure.mime_type, figure.data) == ("image", "image/png", PNG)
    assert made.output_image.data == PNG and text.text == "Here."
    assert (file.type, file.mime_type, base64.b64decode(file.data)) == ("document", "text/csv", b"x,y")
    assert file.insitu == {"filename": "a.csv"}


@pytest.mark.shows("state")
def test_the_next_one_goes_on_in_the_same_sandbox(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("x = 6\nopen('a.txt', 'w').close()"), say("Six."))
    first = interact(gemini, input="Take six.", system_instruction="Be brief.")
    model.script(run("x * 7"), say("42."))
    second = interact(gemini, input="Times seven?", previous_interaction_id=first.id)
    assert (second.steps[1].result, second.previous_interaction_id) == ("42", first.id)
    # What the model was told of files is told it again; the instruction is not carried over.
    roles = [(message["role"], message["content"]) for message in model.requests[-1].body["messages"][:4]]
    told = "[files written: /mnt/data/a.txt (0 bytes)]"
    assert roles == [("user", "Take six."), ("assistant", ""), ("tool", told), ("assistant", "Six.")]


def test_steps_that_a_client_keeps_itself_lead_to_the_same_sandbox(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("x = 6"), say("Six."), run("x * 7"), say("42."))
    first = interact(gemini, input="Take six.", store=False)
    asked = {"type": "user_input", "content": [{"type": "text", "text": "Times seven?"}]}
    history = [{"type": "user_input", "content": [{"type": "text", "text": "Take six."}]}]
    history += [step.model_dump(exclude_none=True) for step in first.steps]
    assert interact(gemini, input=[*history, asked], store=False).steps[1].result == "42"
    with refused(404):
        gemini.interactions.get(id=first.id)


@pytest.mark.shows("files in")
def test_images_and_files_of_the_user_are_where_code_runs(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("import os\nprint(sorted(os.listdir()))"), say("Two."))
    table = {"type": "document", "mime_type": "text/csv", "data": base64.b64encode(b"1\n").decode()}
    picture = {"type": "image", "mime_type": "image/png", "data": PNG}
    made = interact(gemini, input=[{"type": "text", "text": "Sum?"}, table, picture])
    assert made.steps[1].result == "['file-1.csv', 'file-2.png']"
    said = model.requests[-2].body["messages"][0]["content"]
    assert [part["type"] for part in said] == ["text", "text", "image_url", "text"]


@pytest.mark.shows("upload")
def test_an_uploaded_file_is_where_code_runs(gemini: genai.Client, model: ScriptedModel, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n")
    uploaded = gemini.files.upload(file=tmp_path / "a.csv")
    model.script(run("print(open('a.csv').read())"), say("Read."))
    table = {"type": "document", "uri": uploaded.uri, "mime_type": uploaded.mime_type}
    made = interact(gemini, input=[{"type": "text", "text": "Sum?"}, table])
    assert (made.steps[1].result, made.output_text) == ("1,2", "Read.")


@pytest.mark.shows("functions")
@pytest.mark.parametrize("stored", [True, False])
def test_functions_of_the_client_are_called_between_code(
    gemini: genai.Client, model: ScriptedModel, stored: bool
) -> None:
    model.script(run("print(1)"), call(("weather", {"city": "Ulm"}), text="I ask."))
    first = interact(gemini, tools=[PYTHON, WEATHER], store=stored)
    called = first.steps[-1]
    assert (first.status, called.type) == ("requires_action", "function_call")
    assert (called.name, called.arguments) == ("weather", {"city": "Ulm"})
    assert model.requests[-1].body["tools"][1]["function"]["parameters"] == WEATHER["parameters"]
    answer = {"type": "function_result", "call_id": called.id, "name": "weather", "result": {"sky": "blue"}}
    model.script(say("Blue."))
    before = [{"type": "user_input", "content": [{"type": "text", "text": "Hm?"}]}]
    before += [step.model_dump(exclude_none=True) for step in first.steps]
    asked = {"previous_interaction_id": first.id} if stored else {"store": False}
    second = interact(gemini, input=[answer] if stored else [*before, answer], tools=[WEATHER], **asked)
    assert (second.status, second.output_text) == ("completed", "Blue.")
    assert model.requests[-1].body["messages"][-1]["content"] == '{"sky": "blue"}'


@pytest.mark.shows("stream")
def test_the_events_make_what_is_stored(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(
        reason("Hmm.", run(f"print(1)\n{SHOW}", text="Let me see.")),
        call(("weather", {"city": "Ulm"}), text="I ask."),
    )
    thinking = {"thinking_summaries": "auto"}
    events = follow(gemini, tools=[PYTHON, WEATHER], generation_config=thinking)
    assert (events[0].event_type, events[-1].event_type) == ("interaction.created", "interaction.completed")
    assert [event.event_id for event in events] == [str(number + 1) for number in range(len(events))]
    last = events[-1].interaction
    assert (last.status, last.usage.total_tokens, events[-2].status) == ("requires_action", 30, "requires_action")
    stored = gemini.interactions.get(id=last.id)
    assert put_together(events) == [step.model_dump(exclude_none=True) for step in stored.steps or []]
    assert kinds(stored.steps or []) == [
        *("thought", "model_output", "code_execution_call", "code_execution_result", "model_output", "function_call"),
    ]
    started = [event.index for event in events if event.event_type == "step.start"]
    assert started == [event.index for event in events if event.event_type == "step.stop"] == list(range(len(started)))


async def test_the_asynchronous_client_reads_the_same(url: str, connect_genai: Connect, model: ScriptedModel) -> None:
    model.script(run("print(42)"), say("Done."))
    gemini = connect_genai(url)
    asked: Any = {"model": "m", "input": "Hm?", "tools": [PYTHON], "stream": True}
    events = [event async for event in await gemini.aio.interactions.create(**asked)]
    assert put_together(events)[-1] == {"type": "model_output", "content": [{"type": "text", "text": "Done."}]}
    await gemini.aio.aclose()


def test_what_was_asked_is_shown_to_those_who_ask(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(say("Hi."))
    made = interact(gemini, input="Hello?")
    assert gemini.interactions.get(id=made.id).input is None
    given: Any = gemini.interactions.get(id=made.id, include_input=True).input
    assert [step.model_dump(exclude_none=True) for step in given] == [
        {"type": "user_input", "content": [{"type": "text", "text": "Hello?"}]}
    ]


def test_another_owners_are_not_there(
    gemini: genai.Client, url: str, connect_genai: Connect, model: ScriptedModel
) -> None:
    model.script(say("Hi."), say("Hi."))
    made, stranger = interact(gemini), connect_genai(url, KEYS[1])
    for do in (stranger.interactions.get, stranger.interactions.delete, stranger.interactions.cancel):
        with refused(404, match="there is no interaction"):
            do(id=made.id)
    with refused(404, match="to go on from"):
        interact(stranger, previous_interaction_id=made.id)
    assert interact(gemini, previous_interaction_id=made.id).output_text == "Hi."


def test_other_dialects_do_not_take_them_for_theirs(
    gemini: genai.Client, http: httpx2.Client, model: ScriptedModel
) -> None:
    model.script(say("Hi."))
    made = interact(gemini)
    for path in (f"/v1/responses/{made.id}", f"/v1/responses/interactions%2F{made.id}"):
        assert http.get(path).status_code == 404
    for before in (made.id, f"interactions/{made.id}"):
        asked = {"model": "m", "input": "x", "previous_response_id": before}
        assert http.post("/v1/responses", json=asked).json()["error"]["code"] == "previous_response_not_found"


def test_what_is_deleted_is_gone(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(say("Hi."))
    made = interact(gemini)
    gemini.interactions.delete(id=made.id)
    for do in (gemini.interactions.get, gemini.interactions.delete):
        with refused(404):
            do(id=made.id)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"tools": [{"type": "google_search"}]}, "'google_search' is not to be had here"),
        ({"previous_interaction_id": "int_1"}, "there is no interaction 'int_1' to go on from"),
        ({"cached_content": "a"}, "cached_content is not to be had here"),
        ({"background": True, "store": False}, "background needs store"),
        ({"input": []}, "contents must be a list"),
        ({"input": [{"type": "google_search_call", "id": "a", "arguments": {}}]}, "the step 'google_search_call' is"),
        ({"input": [{"type": "function_result", "call_id": "a", "result": "b"}]}, "answers no function call"),
        ({"extra_body": {"colour": 1}}, "colour: there is no such field"),
    ],
)
def test_what_cannot_be_is_refused_as_the_client_reads_it(
    gemini: genai.Client, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(Exception, match=message) as caught:
        interact(gemini, **asked)
    body = getattr(caught.value, "body", None)
    assert body and isinstance(body["error"]["code"], str)
    assert body["error"]["status"] in ("INVALID_ARGUMENT", "NOT_FOUND")


@pytest.mark.shows("errors")
def test_a_key_that_is_not_known_is_refused(url: str, connect_genai: Connect) -> None:
    with refused(401):
        interact(connect_genai(url, "unknown"))


def test_guards_end_it_and_say_so(serve: Serve, connect_genai: Connect, model: ScriptedModel) -> None:
    gemini = connect_genai(serve(max_steps=2))
    model.script(run("1"), run("2"))
    made = interact(gemini)
    assert (made.status, made.errors[0].code) == ("incomplete", "max_steps")


def test_what_fails_after_code_has_run_is_a_failed_interaction(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("1"), fail(500, {"error": {"message": "down"}}, DOWN))
    made = interact(gemini)
    assert (made.status, made.errors[0].code) == ("failed", "upstream_failed")
    assert kinds(made.steps) == ["code_execution_call", "code_execution_result"]
    assert gemini.interactions.get(id=made.id).status == "failed"


def test_what_fails_in_the_midst_of_a_stream_is_told_in_it(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(broken(say("Never whole, never."), 3))
    events = follow(gemini)
    error, last = events[-2:]
    assert (error.event_type, error.error.code, last.interaction.status) == ("error", "upstream_failed", "failed")


def test_what_fails_before_anything_is_an_error(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(fail(400, {"error": {"message": "what?"}}))
    answer = http.post("/v1beta/interactions", json={"model": "m", "input": "x"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_answers_can_have_a_schema(gemini: genai.Client, model: ScriptedModel) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    for form in (schema, {"type": "text", "mime_type": "application/json", "schema": schema}):
        model.script(say('{"n": 1}'))
        config = {"temperature": 0.5, "tool_choice": "any", "max_output_tokens": 9}
        interact(gemini, response_format=form, tools=[WEATHER], generation_config=config)
        body = model.requests[-1].body
        assert (body["response_format"], body["temperature"], body["max_tokens"]) == (wanted, 0.5, 9)
        assert body["tool_choice"] == "required"
