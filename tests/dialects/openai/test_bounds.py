"""What one caller may have the server hold: turns, memory, and what is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import httpx2
import openai
import pytest
from openai import OpenAI

from insitu.types import MIB
from insitu.web import bodies
from tests.support.model import ScriptedModel, hang, say
from tests.support.responses import cited

ROOM = 4 * MIB
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


def test_a_body_is_no_bomb(http: httpx2.Client) -> None:
    many = b"[" + b"[]," * 2_000_000 + b"[]]"
    for path in ("responses", "chat/completions"):
        answer = http.post(f"/v1/{path}", content=many)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_file_named_often_counts_often(serve: Serve, connect: Connect, model: ScriptedModel) -> None:
    client = connect(serve(max_transcript_bytes=MIB))
    file = client.files.create(file=("a.png", bytes(300 * 1024), "image/png"), purpose="vision")
    image = {"type": "input_image", "file_id": file.id, "detail": "auto"}

    def seen(times: int) -> str:
        asked: Any = [{"role": "user", "content": [image] * times}]
        return client.responses.create(model="m", input=asked).output_text

    model.script(say("seen"))
    assert seen(2) == "seen"
    with pytest.raises(
        openai.APIStatusError, match="with its images and files, has more than 1048576 bytes"
    ) as refused:
        seen(3)
    assert refused.value.status_code == 413


def test_an_item_referred_to_often_counts_often(serve: Serve, connect: Connect, model: ScriptedModel) -> None:
    client = connect(serve(max_transcript_bytes=MIB))
    given: Any = [{"type": "message", "role": "user", "content": "x" * (300 * 1024)}]
    made = client.conversations.create(items=given)
    [item] = client.conversations.items.list(made.id).data

    def read(times: int) -> str:
        # The client looks at all that it knows of, for long.
        asked = {"input": [{"type": "item_reference", "id": item.id}] * times}
        return client.responses.create(model="m", extra_body=asked).output_text

    model.script(say("read"))
    assert read(2) == "read"
    for times in (4, 10_000):
        with pytest.raises(openai.APIStatusError, match="has more than 1048576 bytes"):
            read(times)


def test_what_each_response_repeats_is_small(client: OpenAI) -> None:
    large = "x" * (2 * MIB)
    for asked in (
        {"instructions": large},
        {"text": {"format": {"type": "text"}, "x": [[]] * 100_000}},
        {"user": large},
    ):
        with pytest.raises(openai.BadRequestError, match="all else beside input have more than 2097152 bytes"):
            client.responses.create(model="m", input="x", extra_body=asked)


def test_chats_have_a_bounded_number_of_messages_and_calls(client: OpenAI) -> None:
    message = {"role": "user", "content": "x"}
    calls = [{"id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": ""}} for n in range(10_001)]
    caller = {"role": "assistant", "content": None, "tool_calls": calls}
    for messages, what in (([message] * 10_001, "10001 messages"), ([caller], "10001 calls")):
        with pytest.raises(openai.BadRequestError, match=f"{what}, and 10000 is the most"):
            client.chat.completions.create(
                model="m", messages=[], extra_body={"code_interpreter": True, "messages": messages}
            )


def test_containers_and_links_that_never_were_cost_little(client: OpenAI, model: ScriptedModel) -> None:
    named = [{"type": "code_interpreter_call", "id": f"ci_{n}", "container_id": f"cntr_{n}"} for n in range(2000)]
    model.script(say(" ".join(f"sandbox:/mnt/data/f{n}" for n in range(2000))))
    asked = cast("Any", [*named, {"role": "user", "content": "x"}])
    assert cited(client.responses.create(model="m", input=asked)) == []
