from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client, MCPError

from tests.dialects.conftest import KEYS
from tests.support.majors import usual_major

from .conftest import Connect

pytestmark = [pytest.mark.anyio, pytest.mark.client("mcp"), usual_major]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


async def call(client: Client, name: str, **arguments: Any) -> types.CallToolResult:
    result = await client.call_tool(name, arguments)
    assert isinstance(result, types.CallToolResult)
    return result


async def ask(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """What a tool answers, as structured content."""
    result = await call(client, name, **arguments)
    assert not result.is_error, result.content
    answer: dict[str, Any] = result.structured_content
    return answer


def text(result: types.CallToolResult) -> str:
    (block,) = (block for block in result.content if isinstance(block, types.TextContent))
    return block.text


async def new_session(client: Client) -> str:
    return str((await ask(client, "create_session"))["session_id"])


async def resources(client: Client) -> list[types.Resource]:
    """All of them, of which each page has those of one session."""
    found: list[types.Resource] = []
    cursor = None
    while True:
        page = await client.list_resources(cursor=cursor)
        assert len({resource.uri.split("/")[3] for resource in page.resources}) <= 1
        found += page.resources
        if (cursor := page.next_cursor) is None:
            return found


async def test_the_tools_say_what_they_do_and_take(connect_mcp: Connect) -> None:
    async with connect_mcp() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == [
        "execute_python",
        "create_session",
        "list_sessions",
        "close_session",
        "write_file",
        "list_files",
        "read_file",
    ]
    python = tools["execute_python"]
    assert python.description is not None and python.description.startswith("Runs Python 3.")
    assert set(python.input_schema["properties"]) == {"code", "session_id", "timeout_s", "files"}
    assert python.input_schema["required"] == ["code"]
    assert python.output_schema is not None and "stdout" in python.output_schema["properties"]
    hints = {name: tool.annotations for name, tool in tools.items()}
    assert [name for name, hint in hints.items() if hint and hint.read_only_hint] == [
        "list_sessions",
        "list_files",
        "read_file",
    ]
    assert all(hint is not None and hint.open_world_hint is False for hint in hints.values())
    assert {name: (hint.destructive_hint, hint.idempotent_hint) for name, hint in hints.items() if hint} == {
        "execute_python": (True, False),
        "create_session": (False, False),
        "close_session": (True, True),
        "write_file": (True, True),
        # Of what only reads, neither is asked.
        **dict.fromkeys(("list_sessions", "list_files", "read_file"), (None, None)),
    }


@pytest.mark.shows("answer")
async def test_code_runs_and_tells_its_output_as_text_and_as_structure(connect_mcp: Connect) -> None:
    async with connect_mcp() as client:
        result = await call(
            client, "execute_python", code="import sys\nprint('out')\nprint('err', file=sys.stderr)\ndisplay(1)\n6*7"
        )
    assert text(result) == "out\nerr\n1\n42"
    assert result.structured_content == {
        "outcome": "ok",
        "exit_code": 0,
        "stdout": "out\n",
        "stderr": "err\n",
        "value": "42",
        "results": [{"text": "1", "main": False}, {"text": "42", "main": True}],
        "error": None,
        "files": [],
        "session_id": None,
        "state_kept": False,
    }


async def test_of_a_long_output_the_model_is_shown_as_much_as_in_a_turn(
    connect_mcp: Connect, serve: Callable[..., str]
) -> None:
    async with connect_mcp(at=serve(tool_output_chars=400)) as client:
        result = await call(client, "execute_python", code="print('a' * 500 + 'b' * 500)")
    assert text(result) == f"{'a' * 300}\n[… 600 characters left out …]\n{'b' * 100}"
    assert result.structured_content["stdout"] == "a" * 500 + "b" * 500 + "\n"


async def test_an_error_of_the_code_is_an_answer_that_a_model_can_read(connect_mcp: Connect) -> None:
    async with connect_mcp() as client:
        result = await call(client, "execute_python", code="print('before')\n1/0")
    assert not result.is_error
    assert text(result).startswith("before\nTraceback") and text(result).endswith("ZeroDivisionError: division by zero")
    assert result.structured_content["outcome"] == "error"
    assert result.structured_content["error"]["name"] == "ZeroDivisionError"


async def test_code_that_takes_too_long_says_so(connect_mcp: Connect) -> None:
    async with connect_mcp() as client:
        answer = await ask(client, "execute_python", code="while True: pass", timeout_s=0.2)
    assert (answer["outcome"], answer["exit_code"], answer["error"]["name"]) == ("timeout", 124, "Timeout")


@pytest.mark.shows("state", "files out")
async def test_a_session_keeps_variables_and_files(connect_mcp: Connect) -> None:
    async with connect_mcp() as client:
        session = await new_session(client)
        made = await call(client, "execute_python", code="x = 41\nopen('a b.txt', 'w').write('é')", session_id=session)
        uri = f"insitu://sessions/{session}/files/a%20b.txt"
        (link,) = (block for block in made.content if isinstance(block, types.ResourceLink))
        assert (link.name, link.uri, link.size, link.mime_type) == ("a b.txt", uri, 2, "text/plain")
        answer = await ask(client, "execute_python", code="x + 1", session_id=session)
        assert (answer["value"], answer["session_id"], answer["state_kept"]) == ("42", session, True)
        assert [each["session_id"] for each in (await ask(client, "list_sessions"))["sessions"]].count(session) == 1
        assert await ask(client, "close_session", session_id=session) == {"session_id": session, "closed": True}
        gone = await call(client, "execute_python", code="x", session_id=session)
        assert gone.is_error and "there is no session" in text(gone)


@pytest.mark.shows("images")
async def test_figures_are_images(connect_mcp: Connect) -> None:
    code = f"""
import base64
class Picture:
    def _repr_png_(self): return base64.b64decode({PNG!r})
Picture()
"""
    async with connect_mcp() as client:
        result = await call(client, "execute_python", code=code)
    (image,) = (block for block in result.content if isinstance(block, types.ImageContent))
    assert (image.mime_type, image.data) == ("image/png", PNG)


@pytest.mark.shows("files in")
async def test_files_come_with_the_code(connect_mcp: Connect) -> None:
    files = [{"path": "in/a.txt", "text": "one"}, {"path": "b.bin", "base64": "AP8="}]
    async with connect_mcp() as client:
        answer = await ask(
            client, "execute_python", code="open('in/a.txt').read(), open('b.bin','rb').read()", files=files
        )
        assert answer["value"] == "('one', b'\\x00\\xff')"
        both = [{"path": "a", "text": "1", "base64": "MQ=="}]
        refused = await call(client, "execute_python", code="1", files=both)
    assert refused.is_error and "either text or base64" in text(refused)


async def test_files_of_a_session_are_written_listed_and_read(connect_mcp: Connect) -> None:
    async with connect_mcp() as client:
        session = await new_session(client)
        await ask(client, "write_file", session_id=session, path="data/a.csv", text="x\n1\n")
        await ask(client, "write_file", session_id=session, path="p.png", base64=PNG)
        written = await ask(client, "write_file", session_id=session, path="raw.bin", base64="AP8=")
        assert (written["path"], written["size"]) == ("raw.bin", 2)
        listed = (await ask(client, "list_files", session_id=session))["files"]
        assert {each["path"]: each["kind"] for each in listed} == {
            "data": "directory",
            "data/a.csv": "file",
            "p.png": "file",
            "raw.bin": "file",
        }
        csv = await call(client, "read_file", session_id=session, path="data/a.csv")
        assert (text(csv), csv.structured_content["size"]) == ("x\n1\n", 4)
        (image,) = (await call(client, "read_file", session_id=session, path="p.png")).content
        assert isinstance(image, types.ImageContent) and image.data == PNG
        (raw,) = (await call(client, "read_file", session_id=session, path="raw.bin")).content
        assert isinstance(raw, types.EmbeddedResource) and isinstance(raw.resource, types.BlobResourceContents)
        assert base64.b64decode(raw.resource.blob) == b"\x00\xff"
        await call(client, "close_session", session_id=session)


async def test_files_of_sessions_are_resources_a_session_a_page(connect_mcp: Connect) -> None:
    async with connect_mcp(KEYS[1]) as client:
        assert (await client.list_resource_templates()).resource_templates[0].uri_template == (
            "insitu://sessions/{session_id}/files/{+path}"
        )
        sessions = [await new_session(client) for _ in range(2)]
        for session in sessions:
            await call(client, "write_file", session_id=session, path="d/é.json", text=json.dumps(session))
        uris = [resource.uri for resource in await resources(client)]
        for session in sessions:
            uri = f"insitu://sessions/{session}/files/d/%C3%A9.json"
            assert uri in uris
            (content,) = (await client.read_resource(uri)).contents
            assert isinstance(content, types.TextResourceContents) and content.text == json.dumps(session)
            await call(client, "close_session", session_id=session)


async def test_a_cursor_is_one_that_was_given(connect_mcp: Connect) -> None:
    async with connect_mcp(KEYS[1]) as client:
        for cursor in ("nonsense", "", "sess_", f"sess_{'g' * 32}", f"sess_{'0' * 32}\n"):
            with pytest.raises(MCPError, match="no cursor of resources/list") as refused:
                await client.list_resources(cursor=cursor)
            assert refused.value.error.code == types.INVALID_PARAMS
        # Of a session that has ended meanwhile, perhaps.
        assert (await client.list_resources(cursor=f"sess_{'0' * 32}")).resources == []


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "missing.txt", ""])
async def test_a_path_that_is_no_file_of_the_session_is_refused(connect_mcp: Connect, path: str) -> None:
    async with connect_mcp() as client:
        session = await new_session(client)
        assert (await call(client, "read_file", session_id=session, path=path)).is_error
        with pytest.raises(MCPError):
            await client.read_resource(f"insitu://sessions/{session}/files/{path}")
        await call(client, "close_session", session_id=session)


async def test_a_name_that_is_not_utf8_is_not_taken_for_another(connect_mcp: Connect) -> None:
    async with connect_mcp() as client:
        session = await new_session(client)
        await ask(
            client, "execute_python", session_id=session, code="open('na\\N{REPLACEMENT CHARACTER}', 'w').close()"
        )
        with pytest.raises(MCPError, match=r"'na%E9' is refused: it is not UTF-8"):
            await client.read_resource(f"insitu://sessions/{session}/files/na%E9")
        await client.read_resource(f"insitu://sessions/{session}/files/na%EF%BF%BD")
        code = "import os\nfor name in (b'na\\xe9', b'na'): open(name, 'w').close()"
        told = (await call(client, "execute_python", session_id=session, code=code)).content
        assert [block.name for block in told if isinstance(block, types.ResourceLink)] == ["na"]
        files = (await ask(client, "list_files", session_id=session))["files"]
        assert {file["path"]: file["uri"] is None for file in files} == {
            "na": False,
            "na\N{REPLACEMENT CHARACTER}": False,
            "na\\udce9": True,
        }
        names = [file.name for file in await resources(client)]
        assert "na" in names and "na\\udce9" not in names
        await call(client, "close_session", session_id=session)


async def test_sessions_of_others_are_not_there(connect_mcp: Connect) -> None:
    async with connect_mcp() as client, connect_mcp(KEYS[1]) as stranger:
        session = await new_session(client)
        await call(client, "write_file", session_id=session, path="a.txt", text="mine")
        uri = f"insitu://sessions/{session}/files/a.txt"
        for name, more in (
            ("execute_python", {"code": "1"}),
            ("close_session", {}),
            ("list_files", {}),
            ("read_file", {"path": "a.txt"}),
            ("write_file", {"path": "a.txt", "text": "theirs"}),
        ):
            refused = await call(stranger, name, session_id=session, **more)
            assert refused.is_error and "there is no session" in text(refused)
        with pytest.raises(MCPError, match="there is no session"):
            await stranger.read_resource(uri)
        assert session not in [each["session_id"] for each in (await ask(stranger, "list_sessions"))["sessions"]]
        assert text(await call(client, "read_file", session_id=session, path="a.txt")) == "mine"
        await call(client, "close_session", session_id=session)


@pytest.mark.shows("errors")
async def test_wrong_arguments_are_told_by_their_names(connect_mcp: Connect) -> None:
    async with connect_mcp() as client:
        result = await call(client, "execute_python", cod="1")
        assert result.is_error
        assert text(result).startswith("code: Field required; cod: there is no such field")
        many = await call(client, "list_sessions", **{str(number): 1 for number in range(500)})
        assert text(many).startswith("there are 500 faults in the arguments")
        too_long = await call(client, "create_session", idle_timeout_s=1e9)
        assert too_long.is_error and "max_idle_timeout_s" in text(too_long)
        with pytest.raises(MCPError, match="no tool 'rm'"):
            await client.call_tool("rm", {})


@pytest.mark.shows("stream")
async def test_progress_is_told_while_code_runs(connect_mcp: Connect) -> None:
    told: list[tuple[float, float | None, str | None]] = []
    heard = anyio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))
        heard.set()

    code = "import os, time\nprint('first\\nsecond', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)"
    async with connect_mcp() as client:
        session = await new_session(client)
        async with anyio.create_task_group() as group:
            arguments = {"code": code, "session_id": session, "timeout_s": 50}

            async def run() -> None:
                await client.call_tool("execute_python", arguments, progress_callback=hear)

            group.start_soon(run)
            await heard.wait()
            await call(client, "write_file", session_id=session, path="go", text="")
        await call(client, "close_session", session_id=session)
    assert (told[0][1], told[0][2]) == (50, "second") and told[0][0] > 0


async def test_a_model_is_told_that_variables_are_gone(connect_mcp: Connect) -> None:
    async with connect_mcp() as client:
        session = await new_session(client)
        code = "import os, signal\nprint('before', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
        result = await call(client, "execute_python", code=code, session_id=session)
        assert text(result).startswith("before\n")
        assert text(result).endswith("\n[variables are gone; files are still there]")
        assert result.structured_content["state_kept"] is False
        await call(client, "close_session", session_id=session)


@pytest.mark.shows("leaving")
async def test_a_call_that_is_cancelled_interrupts_its_code_and_keeps_the_session(connect_mcp: Connect) -> None:
    begun = anyio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        if message == "begun":
            begun.set()

    code = "kept = 1\nprint('begun', flush=True)\nimport time; time.sleep(50)\nkept = 2"
    async with connect_mcp() as client:
        session = await new_session(client)
        async with anyio.create_task_group() as group:

            async def run() -> None:
                arguments = {"code": code, "session_id": session, "timeout_s": 55}
                await client.call_tool("execute_python", arguments, progress_callback=hear)

            group.start_soon(run)
            await begun.wait()
            group.cancel_scope.cancel()
        assert (await ask(client, "execute_python", code="kept", session_id=session))["value"] == "1"
        await call(client, "close_session", session_id=session)


async def test_code_calls_the_tools_that_the_operator_gives_it(serve: Callable[..., str], connect_mcp: Connect) -> None:
    url = serve(tools=("tests.tools.operators",), turn_tools=("*",))
    async with connect_mcp(at=url) as client:
        (python, *_) = (await client.list_tools()).tools
        assert python.description is not None and "tools.meet(" in python.description
        assert python.annotations is not None and python.annotations.open_world_hint is True
        assert (await ask(client, "execute_python", code="tools.meet('mcp', 1)"))["outcome"] == "ok"
