"""The room of turns: what prepares one, or counts its tokens, has it too, and does nothing to anybody before."""

from __future__ import annotations

import json
from typing import Any

import anyio
import httpx2
import pytest
from openai import InternalServerError

from insitu.store import FileDetails
from tests.support.messages import CODE
from tests.support.model import ScriptedModel, hang, say
from tests.support.responses import ASKED, PYTHON, run
from tests.support.turns import Place
from tests.turn.conftest import Served

HEADERS = {"anthropic-version": "2023-06-01", "x-api-key": "theirs"}
COUNT = "/v1/messages/count_tokens", {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
GEMINI = {"contents": [{"parts": [{"text": "Hi"}]}]}
MESSAGES = [{"role": "user", "content": "Hi"}]
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "Anthropic's count": (*COUNT, "overloaded_error"),
    "Google's count": ("/v1beta/models/m:countTokens", GEMINI, "UNAVAILABLE"),
    "a message": ("/v1/messages", {**COUNT[1], "max_tokens": 9, "stream": True}, "overloaded_error"),
    "contents": ("/v1beta/models/m:streamGenerateContent?alt=sse", GEMINI, "UNAVAILABLE"),
    "a chat": (
        "/v1/chat/completions",
        {"model": "m", "messages": MESSAGES, "code_interpreter": True, "stream": True},
        "server_full",
    ),
    "a response": ("/v1/responses", {"model": "m", "input": "Hi", "stream": True}, "server_full"),
    "an interaction": ("/v1beta/interactions", {"model": "m", "input": "Hi"}, "server_full"),
}


@pytest.fixture(scope="module")
async def the_place(serve: Served) -> Any:
    async with serve(max_turns=1) as place:
        yield place


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_counted_or_prepared_has_the_room_of_a_turn(
    place: Place, model: ScriptedModel, what: str
) -> None:
    path, body, said = REFUSED[what]
    model.script(hang())
    async with httpx2.AsyncClient(base_url=place.url, headers=HEADERS) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: client.post(COUNT[0], json=COUNT[1]))
        await model.wait_received(0)
        answer = await client.post(path, json=body)
        error = answer.json()["error"]
        assert answer.status_code == (529 if said == "overloaded_error" else 503)
        assert said in error.values()
        assert error["message"].startswith("1 turns run, and 1 is the most")
        assert int(answer.headers["retry-after"]) >= 1
        tasks.cancel_scope.cancel()
    await place.idle()
    assert len(model.requests) == 1


async def stored_file(place: Place) -> str:
    async def chunks() -> Any:
        yield b"a,b"

    details = FileDetails(filename="data.csv", purpose="user_data", mime="text/csv", expires=None)
    record = await place.service.store.files.receive("file-1", "", chunks(), 100, lambda: details)
    return record.id


async def test_neither_a_count_nor_a_turn_without_room_brings_files(place: Place, model: ScriptedModel) -> None:
    container, file_id = await place.container(), await stored_file(place)
    upload = {"type": "container_upload", "file_id": file_id}
    counted = {"model": "m", "container": container.id, "messages": [{"role": "user", "content": [upload]}]}
    model.script(say("H", usage=(12, 1)), hang())
    async with httpx2.AsyncClient(base_url=place.url, headers=HEADERS) as client:
        answer = await client.post(COUNT[0], json={**counted, "tools": [CODE]})
        assert answer.json() == {"input_tokens": 12}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: client.post(COUNT[0], json=COUNT[1]))
            await model.wait_received(1)
            tools = [{**PYTHON, "container": container.id}]
            content = [{"type": "input_file", "file_id": file_id}]
            asked = {**ASKED, "tools": tools, "input": [{"role": "user", "content": content}]}
            with pytest.raises(InternalServerError):
                await place.ask(**asked)
            assert (container.record.file_ids, place.service.engine.sessions()) == ((), [])
            tasks.cancel_scope.cancel()
    await place.idle()
    model.script(run("open('data.csv').read()"), say("It is."))
    await place.ask(**asked)
    assert container.record.file_ids == (file_id,)
    assert "a,b" in json.dumps(model.requests[-1].body["messages"][-1])
