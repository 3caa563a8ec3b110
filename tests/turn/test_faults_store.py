"""What a turn rests on goes away under it: tables, conversations, containers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.support.model import ScriptedModel, broken, hang, say
from tests.support.responses import PYTHON, logs, run, told
from tests.support.turns import Place, begun, statuses
from tests.support.waiting import eventually
from tests.turn.conftest import Served

UNTIL_TOLD = "print('up', flush=True)\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"


def connected(folder: Path) -> closing[sqlite3.Connection]:
    """The database of a store."""
    [database] = folder.glob("*.db")
    return closing(sqlite3.connect(database, isolation_level=None))


def refuse_rows(folder: Path, table: str) -> None:
    """Have the database fail whenever a row is added to a table, as one whose disk is full does."""
    with connected(folder) as connection:
        connection.execute(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT 1 FROM no_room; END")


async def test_files_that_cannot_be_noted_are_told_to_the_model(
    serve: Served, model: ScriptedModel, tmp_path: Path
) -> None:
    async with serve(data_dir=tmp_path) as place:
        container = await place.container()
        refuse_rows(tmp_path, "container_files")
        model.script(run("open('ran', 'a').write('x')"), say("Sorry."))
        response = await place.ask(tools=[{**PYTHON, "container": container.id}])
        assert (response.status, response.output_text) == ("completed", "Sorry.")
        assert statuses(response) == [("code_interpreter_call", "failed"), ("message", "completed")]
        [answer] = told(model.requests[1].body)
        assert answer.startswith("[")
        assert "not run" not in answer
        # It has run all the same, so that nobody may ask for it again.
        model.script(run("open('ran', 'a').write('x')"), broken(say("It is a long story."), 2))
        failed = await place.ask(tools=[{**PYTHON, "container": container.id}], max_retries=2)
        assert failed.status == "failed"
        assert await place.text("ran") == "xx"


async def test_an_answer_that_cannot_be_stored_is_told_and_not_made_again(
    serve: Served, model: ScriptedModel, tmp_path: Path
) -> None:
    async with serve(data_dir=tmp_path) as place:
        container = await place.container()
        tools = [{**PYTHON, "container": container.id}]
        refuse_rows(tmp_path, "response_items")
        model.script(run("open('ran', 'a').write('x')"), say("Done."))
        with pytest.raises(openai.InternalServerError) as raised:
            await place.ask(tools=tools, max_retries=2)
        assert (raised.value.status_code, raised.value.code) == (500, "store_failed")
        assert await place.text("ran") == "x"
        model.script(run("open('ran', 'a').write('x')"), say("Done."))
        *events, last = await place.events(tools=tools)
        assert (last.type, last.code, last.sequence_number) == ("error", "store_failed", len(events))
        assert "response.completed" not in [event.type for event in events]
        assert await place.text("ran") == "xx"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1beta/interactions"])
async def test_an_answer_of_the_background_that_cannot_be_stored_is_not_under_way_for_ever(
    serve: Served, model: ScriptedModel, tmp_path: Path, path: str
) -> None:
    async with serve(data_dir=tmp_path) as place, httpx2.AsyncClient(base_url=place.url) as client:
        refuse_rows(tmp_path, "response_events")
        model.script(say("Done."))
        made = (await client.post(path, json={"model": "m", "input": "x", "background": True})).json()
        await place.idle()
        found = (await client.get(f"{path}/{made['id']}")).json()
        error = found["error"] if path == "/v1/responses" else found["errors"][0]
        assert (found["status"], error["message"]) == ("failed", "the answer was made, and could not be stored")


async def test_a_conversation_that_is_deleted_meanwhile_costs_no_answer(place: Place, model: ScriptedModel) -> None:
    conversation = await place.client.conversations.create()
    model.script(run(UNTIL_TOLD), say("Done."))
    stream = await place.stream(conversation=conversation.id)
    await begun(stream, "insitu.output.delta")
    await place.client.conversations.delete(conversation.id)
    await place.session.files.write("go", nothing())
    last = [event async for event in stream][-1]
    assert (last.type, last.response.output_text) == ("response.completed", "Done.")


async def test_a_container_that_is_deleted_meanwhile_is_replaced(place: Place, model: ScriptedModel) -> None:
    container_id = (await place.container()).id
    model.script(run("x = 1\n" + UNTIL_TOLD), *[run("'x' in globals()")] * 2, say("Sorry."))
    stream = await place.stream(tools=[{**PYTHON, "container": container_id}])
    await begun(stream, "insitu.output.delta")
    await place.client.containers.delete(container_id)
    last = [event async for event in stream][-1]
    assert (last.type, last.response.output_text) == ("response.completed", "Sorry.")
    interrupted, gone, anew = logs(last.response)
    assert interrupted.endswith("the execution was interrupted")
    assert gone.endswith("the next call gets a new one]")
    assert anew == "False"
    with pytest.raises(openai.NotFoundError):
        await place.client.containers.retrieve(container_id)
    # Nor does what was made of it come back.
    model.script(run("'x' in globals()"), say("No."))
    assert (await place.ask(previous_response_id=last.response.id)).output_text == "No."


async def test_a_stream_that_was_kept_alive_ends_with_an_error_event(serve: Served, model: ScriptedModel) -> None:
    async with serve(keepalive_s=0.05, upstream_timeout_s=0.2) as place:
        model.script(*[hang(after=None)] * 3)
        [only] = await place.events()
        assert (only.type, only.code, only.sequence_number) == ("error", "upstream_timeout", 0)
        assert "said nothing for 0.2 s" in only.message


async def test_what_cannot_be_tidied_up_ends_no_server(
    serve: Served,
    model: ScriptedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("insitu.turn.turns._TIDY_S", 0.01)
    async with serve(data_dir=tmp_path) as place:
        with connected(tmp_path) as connection:
            connection.execute("DROP TABLE files")
        await eventually(lambda: caplog.text.count("what has expired was not tidied up") > 1)
        model.script(say("Well."))
        assert (await place.ask(tools=[])).output_text == "Well."


async def nothing() -> Any:
    """An empty file."""
    yield b""
