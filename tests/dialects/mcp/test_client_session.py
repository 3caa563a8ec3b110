"""The session that MCP's SDK has in all its majors, and which is all that the first has."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from tests.dialects.conftest import KEYS
from tests.support.picture import PNG, SHOW

pytestmark = [pytest.mark.anyio, pytest.mark.client("mcp")]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ClientSession]:
    async with create_mcp_http_client({"authorization": f"Bearer {KEYS[0]}"}) as http:
        # The first major adds how to ask for the connection's id.
        async with streamable_http_client(f"{url}/mcp", http_client=http) as (read, write, *_):
            async with ClientSession(read, write) as session:
                await session.initialize()
                yield session


async def call(session: ClientSession, name: str, **arguments: Any) -> dict[str, Any]:
    """The answer of a tool as it is on the wire: the names of its members are not the same in all majors."""
    return (await session.call_tool(name, arguments)).model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.shows("answer", "files in", "images")
async def test_code_runs_with_its_files_and_shows_its_figure(url: str) -> None:
    files = [{"path": "in/a.txt", "text": "one"}]
    async with connected(url) as session:
        assert "execute_python" in [tool.name for tool in (await session.list_tools()).tools]
        said, figure = (
            await call(session, "execute_python", code="print(open('in/a.txt').read())" + SHOW, files=files)
        )["content"]
    assert (said["type"], said["text"].splitlines()[0]) == ("text", "one")
    assert (figure["type"], figure["mimeType"], figure["data"]) == ("image", "image/png", PNG)


@pytest.mark.shows("state", "files out")
async def test_a_sandbox_keeps_variables_and_files(url: str) -> None:
    async with connected(url) as session:
        kept = (await call(session, "create_session"))["structuredContent"]["session_id"]
        await call(session, "execute_python", code="x = 41\nopen('a', 'wb').write(b'\\0')", session_id=kept)
        answer = await call(session, "execute_python", code="x + 1", session_id=kept)
        assert answer["structuredContent"]["value"] == "42"
        [file] = (await call(session, "read_file", session_id=kept, path="a"))["content"]
        assert base64.b64decode(file["resource"]["blob"]) == b"\0"
        await call(session, "close_session", session_id=kept)


@pytest.mark.shows("stream")
async def test_progress_is_told_while_code_runs(url: str) -> None:
    told: list[str | None] = []
    heard = anyio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)
        heard.set()

    code = "import os, time\nprint('first', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)"
    async with connected(url) as session, anyio.create_task_group() as group:
        kept = (await call(session, "create_session"))["structuredContent"]["session_id"]
        arguments = {"code": code, "session_id": kept, "timeout_s": 50}
        group.start_soon(partial(session.call_tool, "execute_python", arguments, progress_callback=hear))
        await heard.wait()
        await call(session, "write_file", session_id=kept, path="go", text="")
    assert told[0] == "first"


@pytest.mark.shows("errors")
async def test_what_is_wrong_is_told(url: str) -> None:
    async with connected(url) as session:
        refused = await call(session, "execute_python", cod="1")
        assert refused["isError"] and refused["content"][0]["text"].startswith("code: Field required")
        with pytest.raises(Exception, match="no tool 'rm'"):
            await session.call_tool("rm", {})
