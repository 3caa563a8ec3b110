"""Bodies and JSON, where no client of this suite gets to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.requests import Request

from insitu.web import wire
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


async def read(*messages: Message) -> list[bytes]:
    """The body that these messages bring; after them, nothing comes."""
    rest = iter(messages)

    async def receive() -> Message:
        for message in rest:
            return message
        await anyio.sleep_forever()
        raise AssertionError

    return [chunk async for chunk in body_chunks(Request({"type": "http"}, receive))]


async def test_a_body_ends_with_its_last_message() -> None:
    first: Message = {"type": "http.request", "body": b"a", "more_body": True}
    assert await read(first, {"type": "http.request", "body": b""}) == [b"a"]
    assert await read({"type": "http.request"}) == []


async def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "STALL_S", 0.01)
    with pytest.raises(BodyStalled, match=r"no byte of the body came for 0\.01 s"):
        await read({"type": "http.request", "body": b"a", "more_body": True})


async def test_half_a_body_is_none() -> None:
    with pytest.raises(ClientGone):
        await read({"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"})
