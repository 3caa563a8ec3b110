"""What one caller may have the server hold: turns, memory, and what is stored."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import openai
import pytest
from openai import OpenAI

from insitu.web import bodies
from tests.support.model import ScriptedModel, hang, say

ROOM = 4 << 20
Serve = Callable[..., str]
Connect = Callable[..., OpenAI]


def begin(client: OpenAI, text: str = "x") -> str:
    return client.responses.create(model="m", input=text, background=True).id


async def test_an_owner_has_a_share_of_the_turns(serve: Serve, connect: Connect, model: ScriptedModel) -> None:
    url = serve(max_turns_per_owner=2)
    client, stranger = connect(url), connect(url, "two")
    model.script(hang(), hang())
    running = [begin(client) for _ in range(2)]
    with pytest.raises(openai.RateLimitError, match="2 of your turns run, the most for one key"):
        begin(client)
    await model.wait_received(1)
    model.script(say("here"), say("again"))
    assert stranger.responses.create(model="m", input="x").output_text == "here"
    for response_id in running:
        client.responses.cancel(response_id)
    assert client.responses.create(model="m", input="x").output_text == "again"


async def test_a_request_holds_its_room_until_its_response_is_made(
    serve: Serve, connect: Connect, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "HELD_BYTES", ROOM)
    client = connect(serve())
    model.script(hang())
    running = begin(client, "x" * (ROOM * 3 // 4))
    with pytest.raises(openai.APIStatusError, match="the requests under way hold") as refused:
        begin(client, "x" * (ROOM // 2))
    assert refused.value.status_code == 503
    await model.wait_received(0)
    client.responses.cancel(running)
    model.script(say("fine"))
    assert client.responses.create(model="m", input="x" * (ROOM // 2)).output_text == "fine"


def test_a_body_is_no_bomb(url: str) -> None:
    many = b"[" + b"[]," * 2_000_000 + b"[]]"
    headers = {"authorization": "Bearer one"}
    for path in ("responses", "chat/completions"):
        answer = httpx2.post(f"{url}/v1/{path}", content=many, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
