from __future__ import annotations

import base64
import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from langchain_core.messages import ToolMessage

from insitu import AsyncClient, Client, Execution, Sandbox
from insitu.integrations.langchain import PythonTool
from tests.support.picture import PNG, SHOW
from tests.support.waiting import eventually

pytestmark = pytest.mark.client("langchain-core")


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Client]:
    with Client(url) as made:
        yield made


def called(tool: PythonTool, code: str) -> ToolMessage:
    message = tool.invoke({"type": "tool_call", "id": "1", "name": tool.name, "args": {"code": code}})
    assert isinstance(message, ToolMessage)
    return message


@pytest.mark.shows("answer", "state", "files in", "files out")
def test_an_agent_reads_the_output_and_the_program_has_the_execution(client: Client) -> None:
    with client.session() as session:
        tool = PythonTool(place=session)
        session.files.write("in.txt", "1")
        message = called(tool, "x = 6\nopen('a.txt', 'w').write(open('in.txt').read())\nprint('out')\nx * 7")
        assert message.content == "out\n42\n[files written: a.txt]"
        assert isinstance(message.artifact, Execution) and message.artifact.outcome == "ok"
        assert [session.files.read(info.path) for info in message.artifact.files] == [b"1"]
        assert called(tool, "x").content == "6"


def test_the_files_of_a_fresh_sandbox_are_in_the_artifact(client: Client) -> None:
    tool = PythonTool(place=client, options={"return_files": ["*.txt"]})
    message = called(tool, "n = open('a.txt', 'w').write('1')")
    assert message.content == "[files written and gone with their sandbox: a.txt]"
    assert [info.content for info in message.artifact.files] == [b"1"]


def test_of_many_files_some_are_named(client: Client) -> None:
    with client.session() as session:
        message = called(PythonTool(place=session), "for n in range(22): open(f'{n:02}', 'w').close()")
    assert str(message.content).endswith(", and 2 more]")


def test_an_error_of_the_code_is_read_by_the_model(client: Client) -> None:
    message = called(PythonTool(place=client), "1/0")
    assert str(message.content).endswith("ZeroDivisionError: division by zero")
    assert (message.status, message.artifact.error.name) == ("success", "ZeroDivisionError")
    slow = called(PythonTool(place=client, options={"timeout_s": 0.2}), "while True: pass")
    assert "KeyboardInterrupt" in slow.content and slow.artifact.outcome == "timeout"


@pytest.mark.shows("images")
def test_figures_are_shown_to_models_that_see(client: Client) -> None:
    unseen = called(PythonTool(place=client), SHOW)
    assert unseen.content == "[figures shown: 1]" and unseen.artifact.images == (base64.b64decode(PNG),)
    seen = called(PythonTool(place=client, shows_figures=True), SHOW)
    image = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    assert seen.content == [{"type": "text", "text": "[figures shown: 1]"}, image]


@pytest.mark.shows("errors")
def test_what_could_not_be_run_is_an_error_that_a_model_can_read(client: Client) -> None:
    session = client.session()
    session.close()
    message = called(PythonTool(place=session), "1")
    assert message.status == "error" and "is closed" in str(message.content)


def test_it_works_in_this_process_too() -> None:
    with Sandbox(preimport=[]) as sandbox:
        assert called(PythonTool(place=sandbox), "6 * 7").content == "42"


def test_the_tool_takes_code_and_nothing_else(client: Client) -> None:
    tool = PythonTool(place=client, name="run_code")
    assert (tool.name, list(tool.args)) == ("run_code", ["code"])


@pytest.mark.anyio
async def test_an_asynchronous_session_serves_asynchronous_agents(url: str, client: Client) -> None:
    async with AsyncClient(url) as asynchronous, asynchronous.session() as session:
        tool = PythonTool(place=session)
        call = {"type": "tool_call", "id": "1", "name": "python", "args": {"code": "y = 1"}}
        await tool.ainvoke(call)
        message = await tool.ainvoke({**call, "args": {"code": "y + 1"}})
        assert message.content == "2"
        with pytest.raises(TypeError, match="asynchronous"):
            tool.invoke(call)
    blocking = await PythonTool(place=client).ainvoke({**call, "args": {"code": "3"}})
    assert blocking.content == "3"


@asynccontextmanager
async def place_of(url: str, kind: str) -> AsyncIterator[Any]:
    if kind == "asynchronous":
        async with AsyncClient(url) as client, client.session() as session:
            yield session
    else:
        with ExitStack() as stack:
            yield stack.enter_context(
                stack.enter_context(Client(url)).session() if kind == "blocking" else Sandbox(preimport=[])
            )


@pytest.mark.shows("leaving")
@pytest.mark.parametrize("kind", ["asynchronous", "blocking", "in this process"])
async def test_an_agent_that_is_cancelled_ends_its_code(url: str, kind: str) -> None:
    async with place_of(url, kind) as place:
        code = "slept = False\nimport time\nopen('begun', 'w').close()\ntime.sleep(400)\nslept = True"

        async def begun() -> bool:
            listed = place.files.list()
            return bool(await listed if inspect.isawaitable(listed) else listed)

        async with anyio.create_task_group() as tasks:
            tool = PythonTool(place=place, options={"timeout_s": 500})
            tasks.start_soon(tool.ainvoke, {"code": code})
            await eventually(begun)
            tasks.cancel_scope.cancel()
        told = await PythonTool(place=place).ainvoke({"code": "slept"})
        assert told == "False"
