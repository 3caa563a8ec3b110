"""A defect of the server's own, as MCP's clients read it: the request's id and nothing else, and one log record."""

from __future__ import annotations

import logging
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp import MCPError

from insitu.dialects.mcp import endpoint
from insitu.dialects.mcp.sandboxes import Sandboxes
from tests.dialects.conftest import HEADERS

from .conftest import Connect

SECRET = "/a/secret/path"


def broken(*args: Any, **options: Any) -> Any:
    raise ZeroDivisionError(SECRET)


def check_log(caplog: pytest.LogCaptureFixture, said: str) -> str:
    """The id of the request that failed."""
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    _, request_id, _ = record.getMessage().split()
    assert (record.name, record.getMessage()) == ("insitu.server", f"request {request_id} failed")
    assert record.exc_info and str(record.exc_info[1]) == SECRET
    assert said == f"something went wrong in the server (its log says more under {request_id})"
    return request_id


async def test_a_tool_answers_with_an_error_that_a_model_can_read(
    connect_mcp: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Sandboxes, "session", broken)
    async with connect_mcp() as client:
        answer = await client.call_tool("list_files", {"session_id": "sess_1"})
    assert answer.is_error
    [block] = answer.content
    assert isinstance(block, types.TextContent)
    check_log(caplog, block.text)


async def test_a_resource_is_an_error_of_the_protocol(
    connect_mcp: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Sandboxes, "session", broken)
    async with connect_mcp() as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource("insitu://sessions/sess_1/files/a")
    assert caught.value.error.code == types.INTERNAL_ERROR
    check_log(caplog, caught.value.error.message)


def test_the_endpoint_answers_in_the_protocols_own_form(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(endpoint, "read_bytes", broken)
    answer = httpx2.post(f"{url}/mcp", json={}, headers=HEADERS)
    body = answer.json()
    request_id = check_log(caplog, body["error"]["message"])
    assert (answer.status_code, body["jsonrpc"], body["id"], body["error"]["code"]) == (500, "2.0", None, -32603)
    assert (body["error"]["data"]["request_id"], answer.headers["x-request-id"]) == (request_id, request_id)
    assert SECRET not in answer.text
