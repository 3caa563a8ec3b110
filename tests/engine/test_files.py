"""The workspace from outside: whole files, bounded listings, and a disk that can be full."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from insitu.engine import Engine, Workspace
from insitu.errors import (
    FileMissing,
    InvalidRequest,
    SandboxFailed,
    SessionNotFound,
    TooLarge,
    WorkspaceFull,
)
from insitu.types import GIB, MIB
from tests.support.guest import SMALL, Guest, chunks, content


async def test_what_goes_in_comes_out(files: Workspace, guest: Guest) -> None:
    data = bytes(range(256)) * 4096
    info = await files.write("a/b/c.bin", chunks(data[:1], data[1:], b""))
    assert (info.path, info.size, info.kind) == ("a/b/c.bin", MIB, "file")
    assert await content(files, "a/b/c.bin") == data
    assert await content(files, "a/b/c.bin", MIB - 2) == b"\xfe\xff"
    assert await content(files, "a/b/c.bin", 1, 3) == b"\x01\x02"
    assert await content(files, "a/b/c.bin", MIB, MIB + 9) == b""
    assert await guest.ask("answer = [os.path.getsize('/home/user/a/b/c.bin'), os.stat('a').st_uid]") == [MIB, 1000]


async def test_a_write_replaces_in_one_step(files: Workspace, guest: Guest) -> None:
    await files.write("a", chunks(b"old"))
    await guest.run("held = open('a')")

    async def failing() -> AsyncIterator[bytes]:
        yield b"new"
        raise ConnectionError("the client is gone")

    with pytest.raises(ConnectionError):
        await files.write("a", failing())
    assert await content(files, "a") == b"old"
    await files.write("a", chunks(b"newer"))
    assert await content(files, "a") == b"newer"
    assert (await guest.run("held.read()")).text == "'old'"
    assert [info.path for info in await files.list()] == ["a"]
    assert await guest.ask("answer = os.listdir()") == ["a"]


async def test_what_is_not_there_is_missing(files: Workspace) -> None:
    await files.write("a", chunks(b""))
    for path in ("b", "b/c", "a/b"):
        for attempt in (files.stat(path), content(files, path), files.list(path), files.delete(path)):
            with pytest.raises(FileMissing):
                await attempt
    with pytest.raises(FileMissing):
        await files.list("a")


async def test_a_deep_tree_is_listed_so_far_and_deleted_whole(files: Workspace, guest: Guest) -> None:
    code = "import os\nos.mkdir('deep'); os.chdir('deep')\nfor _ in range(2000): os.mkdir('d'); os.chdir('d')\n"
    assert (await guest.run(code + "open('bottom', 'w').close(); os.chdir('/mnt/data')")).outcome == "ok"
    assert len(await files.list(depth=32)) == 32
    for depth in (0, 33):
        with pytest.raises(InvalidRequest, match=f"depth is {depth}; it must be 1 to 32"):
            await files.list(depth=depth)
    assert (await files.stat("deep" + "/d" * 1000)).kind == "directory"
    await files.write("deep" + "/d" * 1000 + "/x", chunks(b"x"))
    await files.delete("deep")
    assert await files.list() == []
    assert await guest.ask("answer = os.listdir()") == []


async def test_many_files_are_listed_so_far_and_deleted_whole(engine: Engine) -> None:
    roomy = Guest(engine, await engine.create_session(limits=replace(SMALL.limits(), disk_bytes=400 * MIB)))
    files = roomy.session.files
    code = """
        import os
        for d in range(40):
            os.mkdir(f"{d}")
            for n in range(500): open(f"{d}/{n}", "w").close()
    """
    assert (await roomy.run(code)).outcome == "ok"
    assert len(await files.list(depth=2)) == 1000
    execution = await roomy.run("open('0/new', 'w').write('x')")
    assert len(execution.files) <= 1000
    for info in await files.list():
        await files.delete(info.path)
    assert await roomy.ask("answer = os.listdir()") == []
    await engine.end_session(roomy.session)


async def test_more_folders_than_descriptors_are_listed_so_far(files: Workspace, guest: Guest) -> None:
    code = "import os\nfor d in range(1500): os.makedirs(f'{d:04}/x')"
    assert (await guest.run(code)).outcome == "ok"
    assert len(await files.list(depth=3)) == 1000
    execution = await guest.run("open('file', 'w').close()")
    assert execution.outcome == "ok"
    assert await guest.ask("answer = 1") == 1


async def test_long_names_fit_into_an_answer(files: Workspace, guest: Guest) -> None:
    # The longest names, of characters that JSON makes longest, as deep as listings go.
    code = """
        import os
        path = "/mnt/data"
        for _ in range(31):
            os.chdir(path)
            path = chr(1) * 255
            os.mkdir(path)
            for n in range(29): os.mkdir(f"{n:02}" + chr(1) * 253)
        os.chdir("/mnt/data")
    """
    assert (await guest.run(code)).outcome == "ok"
    assert 0 < len(await files.list(depth=32)) <= 1000
    assert await guest.ask("answer = 1") == 1
    assert (await guest.run("import os; os._exit(1)")).outcome == "crashed"
    assert await guest.ask("answer = 1") == 1


async def test_a_huge_file_with_holes_is_read_in_part(files: Workspace, guest: Guest) -> None:
    size = SMALL.disk_bytes
    await guest.run(
        f"with open('sparse', 'wb') as file: file.truncate({size}); file.seek({size - 3}); file.write(b'end')"
    )
    assert await files.size("sparse") == size
    assert await content(files, "sparse", size - 5) == b"\0\0end"
    with pytest.raises(TooLarge, match=f"'sparse' has {size} bytes; at most 1024 can be had in one piece"):
        await files.read_all("sparse", 1024)
    execution = await guest.run("1", return_files=["sparse"])
    assert [(info.size, info.content) for info in execution.files] == [(size, None)]
    refused = await guest.ask(f"answer = refused(os.truncate, 'sparse', {GIB * 1024})")
    assert refused == "EFBIG"


async def test_a_file_that_shrinks_or_grows_meanwhile_is_read_to_its_end(files: Workspace, guest: Guest) -> None:
    await files.write("a", chunks(bytes(2 * MIB)))
    reader = files.read("a")
    await anext(reader)
    await guest.run("open('a', 'w').close()")
    assert [chunk async for chunk in reader] == []
    await files.write("a", chunks(bytes(MIB)))
    reader = files.read("a")
    first = await anext(reader)
    await guest.run("file = open('a', 'ab'); file.write(bytes(1 << 20)); file.close()")
    assert len(first) + len(b"".join([chunk async for chunk in reader])) == MIB


async def test_readers_and_writers_at_once_see_whole_files(files: Workspace) -> None:
    versions = [bytes([number]) * (600 * 1024) for number in range(6)]
    await files.write("a", chunks(versions[0]))

    async def write(data: bytes) -> None:
        await files.write("a", chunks(data[:1000], data[1000:]))

    async def read() -> None:
        assert len(await content(files, "a")) == 600 * 1024

    async with anyio.create_task_group() as tasks:
        for version in versions:
            tasks.start_soon(write, version)
            tasks.start_soon(read)
    assert await content(files, "a") in versions
    assert [info.path for info in await files.list()] == ["a"]


async def test_a_full_workspace_says_so_and_goes_on(engine: Engine) -> None:
    session = await engine.create_session(limits=replace(SMALL.limits(), disk_bytes=4 * MIB))
    files = session.files
    await files.write("kept", chunks(b"x" * MIB))
    with pytest.raises(WorkspaceFull, match=f"no room for 'big': .* {4 * MIB} bytes together"):
        await files.write("big", chunks(*[bytes(MIB)] * 5))
    assert [info.path for info in await files.list()] == ["kept"]
    await files.write("fits", chunks(*[b"y" * MIB] * 2))
    await files.delete("kept")
    await files.write("fits too", chunks(b"z" * MIB))
    assert (await engine.run(session, "1")).outcome == "ok"
    await engine.end_session(session)


async def test_uploads_have_a_size(files: Workspace) -> None:
    with pytest.raises(TooLarge, match="the upload has more than 1000 bytes"):
        await files.write("a", chunks(b"x" * 999, b"xx"), max_bytes=1000)
    assert await files.list() == []
    await files.write("a", chunks(b"x" * 1000), max_bytes=1000)


async def test_trees_that_nobody_may_enter_are_deleted(files: Workspace, guest: Guest) -> None:
    code = """
        import os
        os.makedirs("a/b/c"); os.makedirs("a/d/e"); os.makedirs(".insitu-gone-1/x")
        open("a/b/c/f", "w").close()
        for path in ("a/b/c", "a/b", "a"): os.chmod(path, 0)
    """
    assert (await guest.run(code)).outcome == "ok"
    await files.delete("a")
    assert await guest.ask("answer = os.listdir()") == [".insitu-gone-1"]


async def test_names_that_are_no_unicode_are_shown_and_harm_nobody(files: Workspace, guest: Guest) -> None:
    await guest.run("import os; os.close(os.open(b'\\xff\\xfe', os.O_CREAT))")
    assert [info.path for info in await files.list()] == ["\\udcff\\udcfe"]
    execution = await guest.run("1")
    assert execution.outcome == "ok"


async def test_files_are_served_while_code_runs(engine: Engine, files: Workspace, guest: Guest) -> None:
    async with engine.start(guest.session, "print('in', flush=True)\nwhile True: pass") as running:
        async for event in running.events():
            if event.kind == "stdout":
                await files.write("a", chunks(b"x"))
                assert await content(files, "a") == b"x"
                await running.interrupt()


async def test_the_files_of_a_session_that_ended_are_gone(engine: Engine) -> None:
    session = await engine.create_session()
    await engine.end_session(session)
    for attempt in (session.files.list(), session.files.write("a", chunks(b""))):
        with pytest.raises(SessionNotFound):
            await attempt


async def test_a_session_that_ends_under_a_request_harms_no_other(engine: Engine) -> None:
    doomed = await engine.create_session()
    os.kill(await Guest(engine, doomed).agent_pid(), signal.SIGSTOP)
    failures: list[Exception] = []

    async def ask() -> None:
        try:
            await doomed.files.list()
        except (SandboxFailed, SessionNotFound) as error:
            failures.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(10):
            await engine.end_session(doomed)
            other = await engine.create_session()
            assert await other.files.list() == []
    assert len(failures) == 1
    await engine.end_session(other)
