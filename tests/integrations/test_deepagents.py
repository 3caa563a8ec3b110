from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from deepagents import create_deep_agent
from deepagents.backends import CompositeBackend
from deepagents.backends.protocol import BackendProtocol
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient
from pydantic import SecretStr

from insitu import Client, Sandbox
from insitu.integrations.deepagents import InsituBackend
from tests.support.model import ScriptedModel, call, say
from tests.support.responses import told

pytestmark = pytest.mark.client("deepagents")


@pytest.fixture(scope="module", params=["in this process", "served"])
def backend(url: str, request: pytest.FixtureRequest) -> Iterator[InsituBackend]:
    with ExitStack() as stack:
        if request.param == "served":
            yield InsituBackend(stack.enter_context(stack.enter_context(Client(url)).session()))
        else:
            yield InsituBackend(stack.enter_context(Sandbox(preimport=[], processes=64)))


STEPS = (
    call(("write_file", {"file_path": "/mnt/data/a.py", "content": "print(6 * 7)\n"})),
    call(("execute", {"command": "python3 a.py > out.txt; echo ended with $?"})),
    call(("read_file", {"file_path": "/mnt/data/out.txt"})),
    say("It is 42."),
)
ASKED = {"messages": [HumanMessage("How much is it?")]}


def agent(model: ScriptedModel, backend: BackendProtocol, **options: Any) -> Any:
    llm = ChatOpenAI(model="m", base_url=model.url, api_key=SecretStr("none"), max_retries=0, **options)
    return create_deep_agent(model=llm, backend=backend)


def check_done(done: Any, model: ScriptedModel) -> None:
    """What came of STEPS."""
    assert done["messages"][-1].text == "It is 42."
    written, ran, read = told(model.requests[-1].body)
    assert "/mnt/data/a.py" in written
    assert ran.startswith("ended with 0\n")
    assert read.splitlines()[-1] == "42"
    assert [message.status for message in done["messages"] if isinstance(message, ToolMessage)] == ["success"] * 3


@pytest.mark.shows("answer", "state")
def test_an_agent_writes_runs_and_reads(backend: InsituBackend, model: ScriptedModel) -> None:
    model.script(*STEPS)
    check_done(agent(model, backend).invoke(ASKED), model)


async def test_an_asynchronous_agent_does_the_same(backend: InsituBackend, model: ScriptedModel) -> None:
    model.script(*STEPS)
    async with DefaultAsyncHttpxClient() as http:
        check_done(await agent(model, backend, http_async_client=http).ainvoke(ASKED), model)


@pytest.mark.shows("errors")
def test_an_agent_is_told_what_went_wrong(backend: InsituBackend, model: ScriptedModel) -> None:
    model.script(
        call(("read_file", {"file_path": "/mnt/data/missing"}), ("execute", {"command": "exit 3"})),
        call(("write_file", {"file_path": "/usr/a", "content": "1"})),
        say("I can't."),
    )
    agent(model, backend).invoke(ASKED)
    read, ran, written = told(model.requests[-1].body)
    assert read == "Error: File '/mnt/data/missing': file_not_found"
    assert "exit code 3" in ran
    assert "/usr/a" in written and "denied" in written


def test_what_is_too_long_for_the_model_is_kept_in_a_file(backend: InsituBackend, model: ScriptedModel) -> None:
    model.script(call(("execute", {"command": "seq 50000"})), say("Long."))
    kept = CompositeBackend(default=backend, routes={}, artifacts_root="/mnt/data/.agent")
    agent(model, kept).invoke(ASKED)
    [output] = told(model.requests[-1].body)
    assert len(output) < 20_000 and "/mnt/data/.agent/large_tool_results/" in output
    [path] = [word for word in output.split() if word.startswith("/mnt/data/.agent/")]
    [found] = backend.download_files([path])
    assert found.content is not None and found.content.startswith(b"1\n2\n") and b"\n50000\n" in found.content


def test_commands_run_with_bash_where_the_files_are(backend: InsituBackend) -> None:
    done = backend.execute("echo out; echo err >&2; pwd; exit 3")
    assert (done.output, done.exit_code, done.truncated) == ("out\nerr\n/mnt/data\n", 3, False)


@pytest.mark.parametrize("backend", ["served"], indirect=True)
def test_a_command_that_takes_too_long_is_ended(backend: InsituBackend) -> None:
    assert backend.execute("sleep 50", timeout=1).exit_code == 124
    assert backend.execute("echo ok").output == "ok\n"


def test_long_output_is_cut(backend: InsituBackend) -> None:
    done = backend.execute("head -c 2000000 /dev/zero | tr '\\0' x")
    assert (len(done.output), done.truncated) == (1 << 20, True)


def test_output_beyond_all_memory_is_cut_and_what_the_command_ended_with_is_told(url: str) -> None:
    with Client(url) as client, client.session(memory_bytes=128 << 20) as session:
        session.run("kept = 1")
        done = InsituBackend(session).execute("echo begun >&2; head -c 200M /dev/zero; exit 3")
        assert (done.output[:8], len(done.output), done.exit_code, done.truncated) == ("begun\n\0\0", 1 << 20, 3, True)
        assert session.run("kept").text == "1"


@pytest.mark.parametrize("folder", ["/mnt/data", "/tmp"])
@pytest.mark.shows("files in", "files out")
def test_files_go_in_and_out_anywhere(backend: InsituBackend, folder: str) -> None:
    path = f"{folder}/sub/a.bin"
    assert [each.error for each in backend.upload_files([(path, b"\x00\xff"), (f"{folder}/sub/b", b"")])] == [None] * 2
    found = backend.download_files([path, f"{folder}/missing", f"{folder}/sub/b"])
    assert [(each.path, each.content, each.error) for each in found] == [
        (path, b"\x00\xff", None),
        (f"{folder}/missing", None, "file_not_found"),
        (f"{folder}/sub/b", b"", None),
    ]


@pytest.mark.parametrize("folder", ["/mnt/data", "/tmp"])
def test_what_cannot_be_a_files_path_is_refused_in_deep_agents_words(backend: InsituBackend, folder: str) -> None:
    backend.execute(f"cd {folder}; mkdir -p sub; touch plain; ln -sf loop loop; install -m 0 /dev/null secret")
    codes = {
        f"{folder}/sub": "is_directory",
        f"{folder}/plain/a": "invalid_path",
        f"{folder}/loop/a": "invalid_path",
        f"{folder}/{'x' * 300}": "invalid_path",
        f"{folder}/../data/plain": "invalid_path",
        f"{folder}/a\0b": "invalid_path",
        "relative": "invalid_path",
        "/usr/a": "permission_denied",
    }
    assert {each.path: each.error for each in backend.upload_files([(path, b"1") for path in codes])} == codes
    [secret, folder_itself] = backend.download_files([f"{folder}/secret", f"{folder}/sub"])
    assert (secret.error, folder_itself.error) == ("permission_denied", "is_directory")


def test_links_lead_where_commands_would_go(backend: InsituBackend) -> None:
    backend.execute("echo one > /tmp/target; ln -sf /tmp/target /mnt/data/link")
    assert backend.download_files(["/mnt/data/link"])[0].content == b"one\n"


def test_what_is_too_large_says_how_much_there_may_be(backend: InsituBackend) -> None:
    backend.execute("truncate -s 12M /tmp/large")
    [found] = backend.download_files(["/tmp/large"])
    assert found.content is None and found.error is not None and "more than 10485560 bytes" in found.error


def test_the_file_tools_of_an_agent_work(backend: InsituBackend) -> None:
    path = "/mnt/data/notes.txt"
    assert backend.write(path, "one\ntwo\nthree\n").error is None
    read = backend.read(path, offset=1, limit=1)
    assert read.file_data is not None and read.file_data["content"].strip() == "two"
    assert backend.edit(path, "two", "2").error is None
    assert backend.execute(f"cat {path}").output == "one\n2\nthree\n"
    assert path in [entry["path"] for entry in backend.ls("/mnt/data").entries or []]
    assert [match["text"] for match in backend.grep("three", "/mnt/data").matches or []] == ["three"]
    assert backend.glob("*.txt", "/mnt/data").matches
    assert backend.delete(path).error is None
    assert backend.read(path).error is not None
