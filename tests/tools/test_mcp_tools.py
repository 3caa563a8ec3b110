from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from insitu.errors import InvalidRequest
from insitu.settings import Settings
from insitu.tools import make_registry
from insitu.tools.config import read_config
from insitu.tools.serving import redacting
from tests.support.serving import serving
from tests.support.waiting import wait_until

from .conftest import Run

ROOT = Path(__file__).parents[2]
STDIO = {
    "command": sys.executable,
    "args": ["-m", "tests.tools.mcp_server"],
    "cwd": str(ROOT),
    "env": {"THINGS_KEY": "${THINGS_KEY}"},
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def http_server(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The same server over HTTP, once it listens."""
    process = subprocess.Popen([sys.executable, "-m", "tests.tools.mcp_server", str(port)], cwd=ROOT)
    try:
        wait_until(lambda: process.poll() is not None or listens(port))
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    with http_server(port):
        yield port


@pytest.fixture(scope="module")
def settings(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A server with the same tools by stdio and by HTTP, and those of a public server."""
    servers = {
        "things": {**STDIO, "insitu": {"timeout_s": 2, "max_bytes": 1000, "at_once": 4}},
        "net": {"type": "http", "url": f"http://127.0.0.1:{port}/mcp", "headers": {"x-key": "unheard"}},
        "clock": {"command": sys.executable, "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"]},
        "off": {"command": "/nowhere", "disabled": True},
    }
    path = tmp_path_factory.mktemp("mcp") / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}), "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THINGS_KEY", "sesame-open-sesame")
        patch.setenv("INSITU_HOST", "127.0.0.1")
        yield Settings(
            port=0, preimport=(), pool_size=2, max_timeout_s=60, mcp_config=path, data_dir=path.parent / "data"
        )


@pytest.mark.parametrize("server", ["things", "net"])
@pytest.mark.parametrize(
    ("call", "printed"),
    [
        ("add(terms=[1, 2, 3])", "{'value': 6, 'terms': [1, 2, 3]}"),
        ("say_it('hello')", "it: hello"),
        ("picture()", "['a picture', b'\\x89PNG']"),
        ("large(3)", "{'result': 'xxx'}"),
    ],
)
def test_results_are_python_values(run: Run, server: str, call: str, printed: str) -> None:
    assert run(f"print(tools.{server}_{call})")["stdout"] == f"{printed}\n"


@pytest.mark.parametrize("server", ["things", "net"])
@pytest.mark.parametrize(
    ("call", "name", "message"),
    [
        ("fail()", "ToolError", "as it was told to"),
        ("torn()", "ToolError", "answered with bytes that are none"),
        ("add(terms='many')", "ValueError", 'add: terms: "many" is not of type "array"'),
        ("add(terms=['x'])", "ValueError", "add: terms[0]: "),
    ],
)
def test_what_goes_wrong_is_raised_in_the_code(run: Run, server: str, call: str, name: str, message: str) -> None:
    error = run(f"tools.{server}_{call}")["error"]
    assert (error["name"], message in error["value"]) == (name, True), error


def test_signatures_say_what_is_returned(run: Run) -> None:
    code = """
import inspect
help(tools.things_add)
print(inspect.signature(tools.things_add), inspect.signature(tools.things_say_it))
"""
    printed = run(code)["stdout"]
    assert "things_add(terms: list[int]) -> dict\n" in printed
    assert printed.splitlines()[-1] == "(terms: list[int]) -> dict (text: str)"


def test_a_public_server_does_its_part(run: Run) -> None:
    code = """
import json
answer = tools.clock_convert_time(source_timezone="Europe/Berlin", time="12:00", target_timezone="Asia/Kolkata")
print((json.loads(answer) if isinstance(answer, str) else answer)["time_difference"])
"""
    assert run(code)["stdout"] in ("+4.5h\n", "+3.5h\n")


def test_a_result_is_not_checked_by_the_servers_own_schema(run: Run) -> None:
    assert run('print(tools.things_letters()["text"][-2:])')["stdout"] == "ab\n"


def test_results_over_their_size_are_refused(run: Run) -> None:
    assert "more than 1000 bytes" in run("tools.things_large(2000)")["error"]["value"]


def test_a_server_sees_nothing_of_ours_but_what_its_file_says(run: Run) -> None:
    assert run("print(tools.things_environment())")["stdout"] == "{'THINGS_KEY': 'sesame-open-sesame'}\n"


def test_what_is_secret_in_the_file_is_in_no_message(run: Run) -> None:
    value = run("tools.things_secret()")["error"]["value"]
    assert "the key [secret] is wrong" in value


def test_what_comes_from_the_environment_is_secret_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", "open-sesame")
    servers = {
        "wiki": {"url": "http://wiki.example", "headers": {"Authorization": "Bearer ${A_TOKEN}"}},
        "files": {"command": "files", "args": ["--token", "${A_TOKEN}"]},
    }
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}), "utf-8")
    for server in read_config(path).values():
        assert redacting(server.secrets())("--token open-sesame is wrong") == "--token [secret] is wrong"


def test_the_tools_say_where_they_are_from(client: httpx2.Client) -> None:
    listed = {tool["name"]: tool["source"] for tool in client.get("/v1/tools").json()["tools"]}
    assert (listed["things_add"], listed["net_add"], listed["clock_convert_time"]) == (
        "mcp:things", "mcp:net", "mcp:clock",
    )  # fmt: skip
    assert not any(source == "mcp:off" for source in listed.values())


# Until the server is there again.
ADDED = """
while True:
    try:
        print(tools.{name}_add([3])["value"])
        break
    except tools.Error as error:
        assert "is not there" in str(error), error
        time.sleep(0.05)
"""


def test_a_server_that_dies_in_a_call_fails_that_call_and_comes_back(run: Run) -> None:
    code = f"""
import time
try:
    tools.things_die()
except tools.Error as error:
    print(error)
{ADDED.format(name="things")}
"""
    assert run(code)["stdout"] == "the MCP server 'things' died while it ran die\n3\n"


def test_a_call_that_hangs_is_given_up(run: Run) -> None:
    error = run("tools.things_hang()")["error"]
    assert (error["name"], error["value"]) == ("TimeoutError", "things_hang did not answer within 2 s")


def test_a_server_over_http_that_is_killed_in_a_call_fails_that_call_and_comes_back(tmp_path: Path) -> None:
    port, begun = free_port(), tmp_path / "begun"
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"net": {"url": f"http://127.0.0.1:{port}/mcp"}}}), "utf-8")
    settings = Settings(port=0, preimport=(), pool_size=1, mcp_config=path, data_dir=tmp_path / "data")
    with http_server(port) as first, serving(settings) as url, httpx2.Client(base_url=url, timeout=50) as client:

        def execute(code: str) -> dict[str, Any]:
            body: dict[str, Any] = client.post("/v1/execute", json={"code": code, "tools": ["*"]}).json()
            return body

        with ThreadPoolExecutor() as threads:
            held = threads.submit(execute, f"tools.net_hold({str(begun)!r})")
            wait_until(begun.exists)
            first.kill()
            first.wait()
            error = held.result()["error"]
        assert (error["name"], error["value"]) == ("ConnectionError", "the MCP server 'net' died while it ran hold")
        with http_server(port):
            assert execute(f"import time\n{ADDED.format(name='net')}")["stdout"] == "3\n"


@pytest.mark.parametrize(
    ("servers", "message"),
    [
        ({"a": {"command": "/nowhere/at-all"}}, "the MCP server 'a': the connection failed: FileNotFoundError"),
        ({"a": {"command": sys.executable, "args": ["-c", ""]}}, "the MCP server 'a': the connection failed"),
        ({"a": {}}, "it needs either a command or a url"),
        ({"a": {"url": "http://x", "command": "y"}}, "it needs either a command or a url"),
        ({"a": {"url": "http://x", "type": "sse"}}, "type is 'sse'; there are stdio and streamable HTTP"),
        ({"a": {"command": "x", "env": {"K": "${NOT_SET_ANYWHERE}"}}}, "names ${NOT_SET_ANYWHERE}, which is not set"),
        ({"a": {"command": "x", "insitu": {"rate": "often"}}}, "'often' is no rate"),
        ({"a": {"command": "x", "insitu": {"speed": 5}}}, "mcpServers.a.insitu.speed: Extra inputs"),
        (None, "mcpServers: Field required"),
    ],
)
async def test_a_server_that_cannot_be_had_stops_the_start(tmp_path: Path, servers: object, message: str) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({} if servers is None else {"mcpServers": servers}), "utf-8")
    with pytest.raises(InvalidRequest) as refused:
        async with make_registry(Settings(mcp_config=path)):
            pass
    assert message in str(refused.value)


async def test_without_the_extra_the_start_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"a": {"command": "x"}}}), "utf-8")
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.delitem(sys.modules, "insitu.tools.mcp", raising=False)
    with pytest.raises(InvalidRequest, match=r"MCP servers need the package mcp: pip install 'insitu\[mcp\]'"):
        async with make_registry(Settings(mcp_config=path)):
            pass


async def test_a_server_that_is_not_required_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    servers = {"a": {"command": "/nowhere", "insitu": {"required": False}}}
    path.write_text(json.dumps({"mcpServers": servers}), "utf-8")
    async with make_registry(Settings(mcp_config=path)) as registry:
        assert registry.tools() == []
