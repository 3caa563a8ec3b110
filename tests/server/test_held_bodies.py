"""Bodies that are in memory have a bound together, however many clients send them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from insitu.errors import QuotaExceeded, ServerFull
from insitu.web import bodies
from insitu.web.bodies import SMALL_BYTES, Bodies, Body

ROOM = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def little_room() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "HELD_BYTES", ROOM)
        yield


def large(size: int) -> dict[str, Any]:
    return {"code": "1 + 1", "files": [{"path": "a", "text": "a" * size}]}


def test_what_all_hold_together_is_counted() -> None:
    room = Bodies()
    first, second, third = Body(room), Body(room), Body(room)
    first.grow(ROOM // 2)
    second.grow(ROOM // 4)
    second.grow(ROOM // 2)
    with pytest.raises(ServerFull, match=f"the requests under way hold {ROOM} bytes, and {ROOM} is the most"):
        third.grow(SMALL_BYTES + 1)
    third.grow(SMALL_BYTES)
    first.let_go()
    third.grow(ROOM // 2)
    for body in (second, third):
        body.let_go()
    assert room.held == 0


def test_one_owner_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "OWNER_BYTES", ROOM // 4)
    room = Bodies()
    mine, more, theirs = Body(room, "me"), Body(room, "me"), Body(room, "you")
    mine.grow(ROOM // 4)
    with pytest.raises(QuotaExceeded, match=f"your requests under way hold {ROOM // 4} bytes, and {ROOM // 4} is the"):
        more.grow(SMALL_BYTES + 1)
    theirs.grow(ROOM // 4)
    taken_over = mine.hand_over()
    with pytest.raises(QuotaExceeded):
        more.grow(SMALL_BYTES + 1)
    for body in (taken_over, theirs):
        body.let_go()
    more.grow(ROOM // 4)
    more.let_go()
    assert room.held == 0 and not room._held_by


def test_what_has_no_room_is_refused_and_what_is_small_is_heard(client: httpx2.Client) -> None:
    for _ in range(3):
        assert client.post("/v1/execute", json=large(ROOM * 3 // 4)).json()["outcome"] == "ok"
        answer = client.post("/v1/execute", json=large(2 * ROOM))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "server_full")
        assert int(answer.headers["retry-after"]) >= 1


def test_who_goes_away_leaves_the_room(
    url: str, client: httpx2.Client, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    address, data = httpx2.URL(url), json.dumps(large(ROOM * 3 // 4)).encode()
    head = b"POST /v1/execute HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(data)
    for _ in range(3):
        with socket.create_connection((address.host, address.port or 0), timeout=50) as connection:
            connection.sendall(head + data[:-1])
    eventually(lambda: client.post("/v1/execute", content=data).status_code == 200)
