"""Bodies and JSON, where no client of this suite gets to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.requests import Request

from insitu.errors import ServerFull
from insitu.web import wire
from insitu.web.bodies import Bodies, Body
from insitu.web.encoding import dumps
from insitu.web.errors import BodyStalled, ClientGone
from insitu.web.wire import body_chunks

if TYPE_CHECKING:
    from starlette.types import Message


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "\ud800b"}, b'{"a":"?b"}'),
        ({"a": 1 << 70}, b'{"a":1180591620717411303424}'),
        ({"a": [float("nan"), float("inf"), 1 << 70]}, b'{"a":[null,null,1180591620717411303424]}'),
        ({"a": [float("nan")]}, b'{"a":[null]}'),
    ],
    ids=["surrogate", "large", "mixed", "nan"],
)
def test_json_is_made_of_whatever_code_showed(value: object, text: bytes) -> None:
    assert dumps(value) == text


async def read(*messages: Message, room: Bodies | None = None) -> list[bytes]:
    """The body that these messages bring; after them, nothing comes."""
    rest = iter(messages)

    async def receive() -> Message:
        for message in rest:
            return message
        await anyio.sleep_forever()
        raise AssertionError

    return [
        chunk async for chunk in body_chunks(Request({"type": "http", "insitu.body": Body(room or Bodies())}, receive))
    ]


async def test_a_body_ends_with_its_last_message() -> None:
    first: Message = {"type": "http.request", "body": b"a", "more_body": True}
    assert await read(first, {"type": "http.request", "body": b""}) == [b"a"]
    assert await read({"type": "http.request"}) == []


@pytest.mark.parametrize("begun", [False, True])
async def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch, begun: bool) -> None:
    monkeypatch.setattr(wire, "STALL_S", 0.01)
    sent: list[Message] = [{"type": "http.request", "body": b"a", "more_body": True}] if begun else []
    with pytest.raises(BodyStalled, match=r"no byte of the body came for 0\.01 s"):
        await read(*sent)


@pytest.mark.parametrize("begun", [False, True])
async def test_a_body_that_is_half_there_when_the_server_stops_is_given_up(begun: bool) -> None:
    room = Bodies()
    sent: list[Message] = [{"type": "http.request", "body": b"a", "more_body": True}] if begun else []
    refusals: list[str] = []

    async def reading() -> None:
        with pytest.raises(ServerFull, match="the server is stopping") as refused:
            await read(*sent, room=room)
        refusals.append(refused.value.message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reading)
        await anyio.wait_all_tasks_blocked()
        assert len(room._waiting) == 1
        room.cut()
    assert (len(refusals), len(room._waiting)) == (1, 0)


async def test_half_a_body_is_none() -> None:
    with pytest.raises(ClientGone):
        await read({"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"})
