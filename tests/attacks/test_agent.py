"""The agent under pressure: what it needs is taken away, and what it walks, deletes and writes changes beneath it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import anyio

from insitu.client import AsyncClientSession
from tests.attacks.asking import ask, assert_agent_serves, program
from tests.attacks.attack import Layer, attack
from tests.attacks.serving import REFUSALS, refusal
from tests.attacks.stand import NEIGHBOUR, Stand
from tests.support.processes import named

MIB = 1 << 20
MISSED = {*REFUSALS, "went through"}


@asynccontextmanager
async def going_on(session: AsyncClientSession, code: str) -> AsyncIterator[None]:
    """Code runs again and again for as long as the block, and has begun before it."""
    lines = "\n".join(f"        {line}" for line in code.strip().splitlines())
    endless = f"print('in', flush=True)\nwhile True:\n    try:\n{lines}\n    except OSError: pass"
    async with aclosing(session.stream(program(endless), timeout_s=15)) as events:
        async for event in events:
            if event.kind == "stdout":
                break
        yield


def held_by_agents() -> dict[int, set[str]]:
    """The descriptors of every agent; none where the kernel does not let this user look."""
    with suppress(PermissionError):
        return {pid: set(os.listdir(f"/proc/{pid}/fd")) for pid in named("insitu-agent")}
    return {}


@attack("have paths of others refused, by renaming without end while theirs are resolved", Layer.AGENT)
async def test_renames_of_others_refuse_no_path(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, stand.client(NEIGHBOUR) as other:
        async with client.session() as attacker, other.session() as session:
            make = "os.makedirs('a/b'); open('file', 'w').write('theirs'); os.symlink('../../file', 'a/b/link'); 1"
            assert await ask(session, make) == 1
            await ask(attacker, "open('a', 'w').close()\n1")
            async with going_on(attacker, "os.rename('a', 'b'); os.rename('b', 'a')"):
                assert {await session.files.read("a/b/link") for _ in range(40)} == {b"theirs"}


@attack("have the agent delete what lies behind a link, by a folder that turns into one", Layer.AGENT)
async def test_a_folder_that_turns_into_a_link_is_not_followed(stand: Stand) -> None:
    swap = """
    os.makedirs('d/e'); open('d/f', 'w').close()
    os.rename('d', 'old'); os.symlink('kept', 'd'); os.remove('d'); os.symlink('/usr', 'd')
    os.remove('d'); os.rename('old', 'd'); os.rename('d/e', 'd/g'); os.symlink('../kept', 'd/e')
    """
    async with stand.unharmed(15), stand.client() as client, client.session() as session:
        await session.files.write("kept/file", b"kept")
        async with going_on(session, swap):
            told = {await refusal(session.files.delete(path)) for _ in range(60) for path in ("d/e", "d/f", "d")}
        assert told <= MISSED
        assert await session.files.read("kept/file") == b"kept"
        assert await ask(session, "os.path.isdir('/usr/bin')")
        await assert_agent_serves(session)


@attack("have the agent walk, write and delete in a tree whose branches are moved all the time", Layer.AGENT)
async def test_a_tree_that_moves_confuses_nobody(stand: Stand) -> None:
    move = """
    os.makedirs('a/b/c', exist_ok=True); os.makedirs('x', exist_ok=True)
    os.rename('a/b', 'x/b'); os.rename('x', 'a/x'); os.rename('a/x/b/c', 'c'); os.rename('a', 'b')
    os.rename('c', 'b/c'); os.rename('b', 'a'); os.rename('a/x', 'x')
    """
    told = set()
    async with stand.unharmed(15), stand.client() as client, client.session() as session:
        files = session.files
        async with going_on(session, move):
            for _ in range(30):
                told.add(await refusal(files.list("", depth=32)))
                told.add(await refusal(files.write("a/b/c/file", b"x")))
                told.add(await refusal(files.read("a/b/c/file")))
                told.add(await refusal(files.delete("a")))
                told.add(await refusal(files.list("a/x/b", depth=2)))
        assert told <= MISSED
        await assert_agent_serves(session)


@attack("have the agent lose descriptors, by calls that fail half-way", Layer.AGENT)
async def test_what_fails_half_way_keeps_no_descriptor(stand: Stand) -> None:
    shut = """
        os.makedirs("d/e"); os.mkfifo("pipe"); os.symlink("loop", "loop"); os.symlink("/", "out")
        os.makedirs("shut/in"); os.chmod("shut", 0); 1
        """
    paths = ("d", "d/e", "pipe", "loop", "out", "shut", "none", "pipe/x", "loop/x", "out/x", "shut/x", "shut/in/x")
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert await ask(session, shut) == 1
        before = held_by_agents()
        for path in paths:
            told = {await refusal(call(path)) for call in (session.files.read, session.files.list)}
            told |= {await refusal(session.files.write(f"{path}/x", b"x")), await refusal(session.files.delete(path))}
            assert told <= MISSED
        await session.files.write("d/file", b"x")
        async with going_on(session, "os.rename('d', 'f'); os.rename('f', 'd')"):
            assert {await refusal(session.files.write("d/file", b"x")) for _ in range(40)} <= MISSED
        assert held_by_agents() == before


@attack("spend the descriptors of the agent on a folder of a thousand folders", Layer.AGENT)
async def test_a_wide_workspace_costs_no_descriptor(stand: Stand) -> None:
    make = "for number in range(980): os.mkdir(str(number))\nlen(os.listdir())"
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert await ask(session, make) == 980
        before = held_by_agents()
        for _ in range(3):
            assert len(await session.files.list("", depth=32)) == 980
        assert held_by_agents() == before
        await ask(session, "for number in range(100): os.rmdir(str(number))\n1")
        await assert_agent_serves(session)


@attack("take every place for a process while its files are wanted", Layer.AGENT)
async def test_files_are_served_where_nothing_can_be_started(stand: Stand) -> None:
    fill = """
        import signal
        def daemon():
            if os.fork() == 0:
                os.setsid()
                while True: signal.pause()
        count = 0
        while (how := attempt(daemon)) == "went through": count += 1
        [how, count >= 20]
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert await ask(session, fill) == ["EAGAIN", True]
        await session.files.write("a/b/c", b"1" * MIB)
        assert [info.path for info in await session.files.list("", depth=3)] == ["a", "a/b", "a/b/c"]
        assert len(await session.files.read("a/b/c")) == MIB
        await session.files.delete("a")
        assert await ask(session, "[attempt(os.fork), os.listdir()]") == ["EAGAIN", []]


@attack("spin in every process that it may have while files and another interpreter are wanted", Layer.CGROUPS)
async def test_a_session_that_spins_everywhere_is_served(stand: Stand) -> None:
    spin = """
        def daemon():
            if os.fork() == 0:
                os.setsid()
                while True: pass
        while attempt(daemon) == "went through": pass
        """
    async with stand.unharmed(10), stand.client() as client, client.session() as session:
        assert (await session.run(program(spin), timeout_s=10)).outcome == "ok"
        for _ in range(5):
            await session.files.write("a", b"1")
            assert await session.files.read("a") == b"1"
        assert (await session.run("import os; os._exit(0)", timeout_s=10)).outcome == "crashed"
        await assert_agent_serves(session)
        # The dead of the last interpreter are gone, or about to go.
        assert (await session.run("while len(os.listdir('/proc')) > 80: pass\nimport os")).outcome in ("ok", "error")


@attack("send a folder away, and back, while files are put into it", Layer.AGENT)
async def test_uploads_into_a_folder_that_moves_arrive_or_are_refused(stand: Stand) -> None:
    async with stand.unharmed(15), stand.client() as client, client.session() as session:
        await session.files.write("d/first", b"x")
        async with going_on(session, "os.rename('d', 'e'); os.rename('e', 'd')"):
            told = set()
            async with anyio.create_task_group() as tasks:

                async def put(number: int) -> None:
                    told.add(await refusal(session.files.write(f"d/{number}", bytes(MIB // 4))))

                for number in range(30):
                    tasks.start_soon(put, number)
        assert told <= MISSED
        await ask(session, "for top in ('d', 'e'): attempt(__import__('shutil').rmtree, top)\n1")
        await assert_agent_serves(session)


@attack("run out of memory over and over, until something of the sandbox's own goes with it", Layer.AGENT)
async def test_memory_that_runs_out_takes_user_code_alone(stand: Stand) -> None:
    hoard = """
        hoards = []
        def fill():
            while True: hoards.append(bytearray(4 << 20))
        os.fork()
        fill()
        """
    async with stand.unharmed(15), stand.client() as client, client.session() as session:
        await session.files.write("kept", b"kept")
        for _ in range(3):
            assert (await session.run(program(hoard))).outcome in ("out_of_memory", "error", "timeout")
            assert await session.files.read("kept") == b"kept"
        await session.run("import os; os._exit(0)")
        await assert_agent_serves(session)


@attack("keep the session's memory in segments that outlive whoever made them", Layer.CGROUPS)
async def test_memory_without_an_owner_leaves_room_for_an_interpreter(stand: Stand) -> None:
    hoard = """
        _libc.shmat.restype = _ctypes.c_void_p
        for _ in range(60):
            segment = _libc.shmget(0, 4 << 20, 0o1600)
            place = _libc.shmat(segment, None, 0)
            _ctypes.memset(place, 1, 4 << 20)
            _libc.shmdt(_ctypes.c_void_p(place))
        os._exit(0)
        """
    async with stand.unharmed(15), stand.client() as client, client.session() as session:
        ended = await session.run(program(hoard), timeout_s=10)
        assert ended.outcome in ("crashed", "out_of_memory")
        for _ in range(2):
            assert (await session.run("import os; os._exit(0)")).outcome == "crashed"
        await assert_agent_serves(session)


@attack("start and end processes by the thousand, so that the agent does nothing but bury", Layer.AGENT)
async def test_an_agent_that_buries_serves(stand: Stand) -> None:
    orphan = """
    if os.fork() == 0:
        if os.fork(): os._exit(0)
        os._exit(0)
    """
    async with stand.unharmed(15), stand.client() as client, client.session() as session:
        async with going_on(session, orphan):
            for number in range(25):
                await session.files.write("a", b"%d" % number)
                assert await session.files.read("a") == b"%d" % number
        await session.run("import os; os._exit(0)")
        await assert_agent_serves(session)


@attack("remove all that the agent and the next interpreter could want of its folders", Layer.ROOT)
async def test_emptied_folders_are_no_loss(stand: Stand) -> None:
    remove = """
        import shutil
        os.chdir("/")
        for top in ("/mnt/data", "/home/user", "/tmp", "/dev/shm"):
            attempt(shutil.rmtree, top), attempt(os.rmdir, top), attempt(os.rename, top, top + "2")
        for top in ("/tmp", "/dev/shm"): os.chmod(top, 0)
        {attempt(os.rmdir, top) for top in ("/run/insitu", "/run/sandbox", "/mnt", "/proc/1", "/dev")}
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert await ask(session, remove) <= {"EACCES", "EROFS", "EBUSY", "EPERM", "ENOTEMPTY", "ENOENT"}
        await session.run("import os; os._exit(0)")
        await assert_agent_serves(session)
