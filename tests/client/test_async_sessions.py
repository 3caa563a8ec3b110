"""What the twins for event loops do alike."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest

import insitu
from insitu.client import files as client_files
from insitu.client import functions as client_functions
from insitu.local import blocking, files

from .conftest import KEY

Session = insitu.AsyncClientSession | insitu.AsyncSandbox


@pytest.mark.parametrize(
    ("sync", "twin"),
    [
        (insitu.Client, insitu.AsyncClient),
        (insitu.ClientSession, insitu.AsyncClientSession),
        (insitu.Sandbox, insitu.AsyncSandbox),
        (insitu.ClientSession, insitu.Sandbox),
        (insitu.ClientAnswer, insitu.AsyncClientAnswer),
        (insitu.ClientInvocation, insitu.AsyncClientInvocation),
        (client_functions.ClientFunctions, client_functions.AsyncClientFunctions),
        (client_files.SessionFiles, client_files.AsyncSessionFiles),
        (blocking.SandboxFiles, files.AsyncSandboxFiles),
        (client_files.SessionFiles, blocking.SandboxFiles),
    ],
)
def test_twins_have_the_same_methods_with_the_same_parameters(sync: type, twin: type) -> None:
    def signatures(cls: type) -> dict[str, list[str]]:
        methods = inspect.getmembers(cls, inspect.isfunction)
        return {name: list(inspect.signature(value).parameters) for name, value in methods if name[0] != "_"}

    assert signatures(sync) == signatures(twin)


async def test_code_runs_and_state_lives_on(async_session: Session) -> None:
    assert (await async_session.run("kept = 41\nprint('hello')")).stdout == "hello\n"
    assert (await async_session.run("kept + 1")).text == "42"
    assert (await async_session.run("1 / 0")).outcome == "error"


async def test_a_stream_is_the_log(async_session: Session) -> None:
    events = [event async for event in async_session.stream("print('a')")]
    assert [event.kind for event in events] == ["started", "stdout", "finished"]


async def test_a_stream_closed_early_cancels_the_execution(async_session: Session) -> None:
    async with aclosing(async_session.stream("print('on', flush=True)\nwhile True: pass")) as events:
        async for event in events:
            if event.kind == "stdout":
                break
    assert (await async_session.run("'free again'")).text == "'free again'"


async def test_a_cancelled_run_cancels_the_execution(async_session: Session) -> None:
    with anyio.CancelScope() as scope:
        await async_session.run("print('on', flush=True)\nwhile True: pass", on_stdout=lambda _: scope.cancel())
    assert scope.cancelled_caught
    assert (await async_session.run("'free again'")).text == "'free again'"


async def test_listeners_may_be_async(async_session: Session) -> None:
    heard: list[str | None] = []

    async def hear(text: str) -> None:
        await anyio.lowlevel.checkpoint()
        heard.append(text)

    def hear_result(result: insitu.Result) -> None:
        heard.append(result.text)

    await async_session.run("print('a', flush=True)\n3", on_stdout=hear, on_result=hear_result)
    assert heard == ["a\n", "3"]


async def test_an_interrupt_reaches_what_runs(async_session: Session) -> None:
    assert await async_session.interrupt() is False

    async def interrupt(_: str) -> None:
        assert await async_session.interrupt() is True

    execution = await async_session.run("print('on', flush=True)\nwhile True: pass", on_stdout=interrupt)
    assert (execution.outcome, execution.state_kept) == ("cancelled", True)


async def test_info_and_update(async_session: Session) -> None:
    assert (await async_session.update(metadata={"a": "b"})).metadata == {"a": "b"}
    assert (await async_session.info()).metadata == {"a": "b"}


async def test_files_go_both_ways(async_session: Session, tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a,b\n"
        yield b"1,2\n"

    (tmp_path / "up.bin").write_bytes(bytes(1 << 20))
    assert (await async_session.files.write("async/data.csv", pieces())).size == 8
    assert (await async_session.files.write("async/text", "ä")).size == 2
    assert (await async_session.files.upload(tmp_path / "up.bin", "async/up.bin")).size == 1 << 20
    assert sorted(info.path for info in await async_session.files.list("async")) == [
        "async/data.csv",
        "async/text",
        "async/up.bin",
    ]
    assert await async_session.files.read("async/data.csv") == b"a,b\n1,2\n"
    assert await async_session.files.download("async/up.bin", tmp_path / "down.bin") == tmp_path / "down.bin"
    assert (tmp_path / "down.bin").read_bytes() == bytes(1 << 20)
    await async_session.files.delete("async/text")
    with pytest.raises(insitu.FileMissing):
        await async_session.files.read("async/text")


async def test_many_executions_run_at_once(url: str) -> None:
    texts: list[str] = []

    async def run(client: insitu.AsyncClient, number: int) -> None:
        texts.append((await client.run(f"{number} * 2")).text)

    async with insitu.AsyncClient(url, KEY) as client, anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(run, client, number)
    assert sorted(texts, key=int) == [str(number * 2) for number in range(8)]


async def test_a_client_does_what_its_twin_does(url: str) -> None:
    async with insitu.AsyncClient(url, KEY) as client:
        assert (await client.run("1 + 1", on_stdout=print)).text == "2"
        assert [event.kind async for event in client.stream("1")] == ["started", "result", "finished"]
        assert await client.health() == {"status": "ok"}
        assert [environment.name for environment in await client.environments()] == ["default"]
        session = await client.session(metadata={"made": "by await"})
        async with client.connect(session.id) as again:
            assert (await again.info()).metadata == {"made": "by await"}
        assert [info.id for info in await client.sessions()] == [session.id]
        await session.close()
        await session.close()
        assert await client.sessions() == []
        with pytest.raises(insitu.EngineClosed):
            await session.run("1")
    with pytest.raises(insitu.EngineClosed):
        await client.health()


async def test_a_session_ends_though_its_task_is_cancelled(url: str) -> None:
    async with insitu.AsyncClient(url, KEY) as client:
        with anyio.CancelScope() as scope:
            async with client.session():
                scope.cancel()
                await anyio.lowlevel.checkpoint()
        assert await client.sessions() == []


async def test_no_server_is_an_exception() -> None:
    async with insitu.AsyncClient("http://127.0.0.1:1") as client:
        with pytest.raises(insitu.ServerUnreachable, match="no insitu server answers"):
            await client.health()
        with pytest.raises(insitu.ServerUnreachable):
            async with client.session():
                raise AssertionError("there is no session")
