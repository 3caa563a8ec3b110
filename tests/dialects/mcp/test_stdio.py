from __future__ import annotations

import os
import sys
from contextlib import AbstractAsyncContextManager

import anyio
import mcp_types as types
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

pytestmark = pytest.mark.anyio


def command(era: str, **settings: str) -> AbstractAsyncContextManager[Client]:
    """A client that starts the command, as its configuration says."""
    environment = {**os.environ, "INSITU_PREIMPORT": "[]", "INSITU_POOL_SIZE": "1", **settings}
    arguments = ["-m", "insitu", "mcp"]
    server = StdioServerParameters(command=sys.executable, args=arguments, env=environment)
    return Client(stdio_client(server), mode=era)


async def interrupted(client: Client, session: str) -> None:
    """Cancel a call once its code is under way."""
    code = "import time\nslept = False\nprint('begun', flush=True)\ntime.sleep(50)\nslept = True"
    async with anyio.create_task_group() as group:

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            if message == "begun":
                group.cancel_scope.cancel()

        arguments = {"code": code, "session_id": session, "timeout_s": 55}
        await client.call_tool("execute_python", arguments, progress_callback=hear)


async def test_the_command_serves_the_client_that_starts_it_by_settings_of_the_environment(era: str) -> None:
    async with command(era, INSITU_MAX_SESSIONS="1") as client:
        session = (await client.call_tool("create_session", {})).structured_content["session_id"]
        code = "import os, sys\nos.write(1, b'to the descriptor')\nprint('noise', file=sys.__stdout__)\nx = 20"
        await client.call_tool("execute_python", {"code": code, "session_id": session})
        answer = await client.call_tool("execute_python", {"code": "os.getppid(), x + 1", "session_id": session})
        assert answer.structured_content["value"].endswith(", 21)")
        await interrupted(client, session)
        answer = await client.call_tool("execute_python", {"code": "x, slept", "session_id": session})
        assert answer.structured_content["value"] == "(20, False)"
        uri = f"insitu://sessions/{session}/files/a.txt"
        await client.call_tool("write_file", {"session_id": session, "path": "a.txt", "text": "é"})
        (content,) = (await client.read_resource(uri)).contents
        assert isinstance(content, types.TextResourceContents) and content.text == "é"
        refused = await client.call_tool("create_session", {})
        assert refused.is_error and isinstance(block := refused.content[0], types.TextContent)
        assert "1 is the most" in block.text
