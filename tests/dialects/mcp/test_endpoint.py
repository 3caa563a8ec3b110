from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client as MCPClient

from insitu import Client
from insitu.dialects.mcp import endpoint
from tests.dialects.conftest import HEADERS, KEYS

from .conftest import Connect

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}


def post(url: str, body: Any, key: str = KEYS[0], **headers: str) -> httpx2.Response:
    given = {"authorization": f"Bearer {key}", **ACCEPT, **headers}
    return httpx2.post(f"{url}/mcp", json=body, headers=given, timeout=20)


def error(answer: httpx2.Response) -> tuple[int, int, str]:
    body = answer.json()
    assert (body["jsonrpc"], body["id"]) == ("2.0", None)
    return answer.status_code, body["error"]["code"], body["error"]["message"]


def test_an_unknown_key_is_refused_in_the_protocols_own_form(url: str) -> None:
    status, code, message = error(post(url, INITIALIZE, key="unknown"))
    assert (status, code) == (401, -32600) and message.startswith("this key is not known here")


def test_the_address_may_end_in_a_slash(url: str) -> None:
    opened = httpx2.post(f"{url}/mcp/", json=INITIALIZE, headers={**HEADERS, **ACCEPT}, timeout=20)
    assert (opened.status_code, "mcp-session-id" in opened.headers) == (200, True)
    assert post(url, {}, **{"mcp-session-id": opened.headers["mcp-session-id"]}).status_code == 400


def test_a_body_over_the_cap_is_refused(serve: Callable[..., str]) -> None:
    url = serve(upload_bytes=1000)
    status, code, message = error(post(url, {**INITIALIZE, "padding": "x" * 2000}))
    assert (status, code) == (413, -32600) and "this route takes 1000" in message


def test_there_is_no_stream_to_listen_on(url: str) -> None:
    answer = httpx2.get(f"{url}/mcp", headers={**HEADERS, "accept": "text/event-stream"})
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"POST", "DELETE"})


def test_a_connection_is_its_owners_alone(url: str) -> None:
    opened = post(url, INITIALIZE)
    connection = opened.headers["mcp-session-id"]
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    assert post(url, listing, key=KEYS[1], **{"mcp-session-id": connection}).status_code == 404
    assert post(url, listing, **{"mcp-session-id": connection}).status_code == 200
    ended = httpx2.delete(f"{url}/mcp", headers={**HEADERS, "mcp-session-id": connection})
    assert ended.status_code == 200
    assert post(url, listing, **{"mcp-session-id": connection}).status_code == 404


def test_one_owner_can_keep_so_many_connections_open_and_no_more(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_MOST_CONNECTIONS", 2)
    url = serve()
    assert [post(url, INITIALIZE).status_code for _ in range(3)] == [200, 200, 503]
    assert post(url, INITIALIZE, key=KEYS[1]).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"jsonrpc": "2.0"}', b"\xff", b'{"method": 1}'])
def test_what_is_no_message_is_refused(url: str, body: bytes) -> None:
    for version in ({}, {"mcp-protocol-version": "2026-07-28"}, {"mcp-protocol-version": "1999-01-01"}):
        headers = {**HEADERS, **ACCEPT, "content-type": "application/json", **version}
        answer = httpx2.post(f"{url}/mcp", content=body, headers=headers)
        assert answer.status_code == 400 and "error" in answer.json()


def test_without_its_packages_the_route_says_what_to_install(
    serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'mcp'", name="mcp")

    monkeypatch.setattr(endpoint, "import_module", missing)
    url = serve()
    for _ in range(2):
        status, code, message = error(post(url, INITIALIZE))
        assert (status, code) == (501, -32603) and "pip install 'insitu[mcp]'" in message


def executing(url: str, connection: dict[str, str], **arguments: Any) -> AbstractContextManager[httpx2.Response]:
    """A call by the older protocol, whose connection its block holds open."""
    params = {"name": "execute_python", "arguments": arguments, "_meta": {"progressToken": 1}}
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
    return httpx2.stream("POST", f"{url}/mcp", json=body, headers={**HEADERS, **ACCEPT, **connection}, timeout=50)


def test_a_connection_of_the_older_protocol_that_breaks_ends_its_code_as_well(url: str) -> None:
    connection = {"mcp-session-id": post(url, INITIALIZE).headers["mcp-session-id"]}
    with Client(url, api_key=KEYS[0]) as client, client.session() as session:
        code = "import time\nslept = False\nprint('begun', flush=True)\ntime.sleep(50)\nslept = True"
        with executing(url, connection, code=code, timeout_s=55, session_id=session.id) as answer:
            assert any('"begun"' in line for line in answer.iter_lines())
        assert session.run("slept").text == "False"
        # The connection itself goes on.
        with executing(url, connection, code="slept", session_id=session.id) as answer:
            assert '"value":"False"' in answer.read().decode()


@pytest.mark.anyio
async def test_a_client_that_leaves_ends_its_code(connect_mcp: Connect) -> None:
    begun = anyio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        if message == "begun":
            begun.set()

    async def run(client: MCPClient, session: str) -> None:
        arguments = {
            "code": "import time\nslept = False\nprint('begun', flush=True)\ntime.sleep(50)\nslept = True",
            "timeout_s": 55,
            "session_id": session,
        }
        await client.call_tool("execute_python", arguments, progress_callback=hear)

    async with connect_mcp() as other:
        session = (await other.call_tool("create_session", {})).structured_content["session_id"]
        async with connect_mcp() as client, anyio.create_task_group() as group:
            group.start_soon(run, client, session)
            await begun.wait()
            group.cancel_scope.cancel()
        answer = await other.call_tool("execute_python", {"code": "slept", "session_id": session})
        assert answer.structured_content["value"] == "False"
