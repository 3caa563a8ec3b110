"""Answers go out in pieces, and those that are in memory as a whole need room until they are read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from starlette.types import Message

from insitu.errors import ServerFull
from insitu.server.sending import Sending
from insitu.web import bodies
from insitu.web.bodies import Bodies, Body

PIECE = 256 * 1024
LARGE = bytes(range(256)) * 4096


class Client:
    """Reads what is sent."""

    def __init__(self) -> None:
        self.room = Bodies()
        self.body = Body(self.room)
        self.got: list[Message] = []
        self.held: list[int] = []
        self.sending = Sending(self.read, self.body)

    async def read(self, message: Message) -> None:
        self.got.append(message)
        self.held.append(self.room.held)

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)


def start(length: int | None) -> Message:
    headers = [] if length is None else [(b"content-length", b"%d" % length)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def test_a_large_answer_is_held_while_its_pieces_are_read() -> None:
    client = Client()
    await client.sending(start(len(LARGE)))
    assert client.got == []
    await client.sending({"type": "http.response.body", "body": LARGE})
    assert [message["type"] for message in client.got] == ["http.response.start"] + ["http.response.body"] * 4
    assert client.content == LARGE
    assert max(len(message.get("body", b"")) for message in client.got) == PIECE
    assert [message.get("more_body", False) for message in client.got[1:]] == [True] * 3 + [False]
    assert client.held == [len(LARGE)] * 5


async def test_an_answer_without_room_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "HELD_BYTES", len(LARGE) - 1)
    client = Client()
    await client.sending(start(len(LARGE)))
    with pytest.raises(ServerFull):
        await client.sending({"type": "http.response.body", "body": LARGE})
    assert client.got == []
    await client.sending(start(5))  # the error, in its place
    await client.sending({"type": "http.response.body", "body": b"error"})
    assert [message["type"] for message in client.got] == ["http.response.start", "http.response.body"]


async def test_a_large_part_without_room_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "HELD_BYTES", len(LARGE) - 1)
    client = Client()
    await client.sending(start(None))
    with pytest.raises(ServerFull):
        await client.sending({"type": "http.response.body", "body": LARGE, "more_body": True})
    assert client.content == b""


async def test_parts_go_on_as_they_come() -> None:
    client = Client()
    await client.sending(start(None))
    for part in (b"a", LARGE, b"b"):
        before = len(client.content)
        await client.sending({"type": "http.response.body", "body": part, "more_body": True})
        assert len(client.content) == before + len(part)
    await client.sending({"type": "http.response.body"})
    assert client.content == b"a" + LARGE + b"b"
    assert client.held == [0, 0, *[len(LARGE)] * 4, 0, 0]
    assert client.room.held == client.body.size == 0
    assert not any(after["type"] == "http.response.start" for _, after in pairwise(client.got))
