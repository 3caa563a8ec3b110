"""What calls of tools hold in memory is counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mcp import MCPError
from starlette.requests import Request

from insitu.dialects.mcp.held import held
from insitu.errors import ServerFull
from insitu.web import bodies
from insitu.web.bodies import Bodies, Body

from .conftest import Connect

LARGE = "a" * (1 << 20)


def asked(body: Body) -> Request:
    return Request({"type": "http", "insitu.body": body})


def test_arguments_count_until_they_are_worked_off_though_their_client_has_left() -> None:
    room = Bodies()
    body = Body(room)
    body.grow(len(LARGE) + 100)
    with held(asked(body), {"code": LARGE}):
        body.let_go()
        assert room.held == len(LARGE) + 100
    assert room.held == 0


def test_arguments_of_a_client_that_left_at_once_count_as_well() -> None:
    room = Bodies()
    with held(asked(Body(room)), {"code": LARGE}):
        assert room.held > len(LARGE)
    assert room.held == 0


def test_arguments_without_room_are_not_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "HELD_BYTES", len(LARGE))
    room = Bodies()
    with pytest.raises(ServerFull), held(asked(Body(room)), {"code": LARGE}):
        pytest.fail("there was no room")
    assert room.held == 0


@pytest.mark.parametrize("era", ["auto"], indirect=True)
async def test_an_answer_without_room_says_so(
    connect_mcp: Connect, serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "HELD_BYTES", len(LARGE))
    async with connect_mcp(at=serve()) as client:
        with pytest.raises(MCPError, match="the requests under way hold"):
            await client.call_tool("execute_python", {"code": f"print('a' * {len(LARGE)})"})
