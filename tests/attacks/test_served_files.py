"""Files that are served: what code puts in the way of those who fetch, write and delete them"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from textwrap import dedent

import anyio

from tests.attacks.attack import Layer, attack
from tests.attacks.serving import CALLS, REFUSALS, done, refusal
from tests.attacks.stand import Stand


@attack("learn addresses of the server's memory from the names of files on their way in", Layer.HOST)
async def test_names_of_uploads_tell_nothing(stand: Stand) -> None:
    wait = """
        import os
        print("in", flush=True)
        while not (found := [name for name in os.listdir() if name.startswith(".insitu-")]): pass
        print(*found, flush=True)
        """
    seen: list[str] = []
    all_seen = anyio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield b"x"
        await all_seen.wait()

    async with stand.unharmed(), stand.client() as client, client.session() as session:
        async with anyio.create_task_group() as tasks, aclosing(session.stream(dedent(wait))) as events:
            async for event in events:
                if event.kind == "stdout" and event.text == "in\n":
                    tasks.start_soon(session.files.write, "file", content())
                elif event.kind == "stdout":
                    seen += event.text.split()
                    all_seen.set()
    assert len(seen) == 1
    number = int(seen[0].removeprefix(".insitu-"), 16)
    mapped = [line.split()[0].split("-") for line in Path("/proc/self/maps").read_text(encoding="ascii").splitlines()]
    assert not any(int(start, 16) <= number < int(end, 16) for start, end in mapped)


@attack("swap files on their way in for links, pipes and folders", Layer.AGENT)
async def test_uploads_that_are_swapped_lead_nowhere(stand: Stand) -> None:
    swap = """
        import os, itertools
        os.mkfifo("pipe"); pipe = os.open("pipe", os.O_RDWR)
        ways = (lambda p: os.symlink("/etc/passwd", p), lambda p: os.symlink("/proc/1/mem", p), os.mkdir,
                lambda p: os.link("pipe", p), lambda p: os.symlink(p, p), lambda p: None)
        print("in", flush=True)
        for way in itertools.cycle(ways):
            for name in os.listdir():
                if name.startswith(".insitu-"):
                    try:
                        os.rename(name, "taken"); way(name)
                    except OSError: pass
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        answers = set()
        async with aclosing(session.stream(dedent(swap), timeout_s=5)) as events:
            async for event in events:
                if event.kind == "stdout":
                    for _ in range(40):
                        answers.add(await refusal(session.files.write("file", bytes(1 << 18))))
                    break
        assert answers <= {*REFUSALS, "went through"}
        assert answers & REFUSALS
        assert (await done(session, "open('/etc/passwd').read()[:4]")).text == "'root'"


@attack("stall whoever fetches or writes files by a pipe, a socket or a device in the way", Layer.AGENT)
async def test_what_is_no_file_stalls_nobody(stand: Stand) -> None:
    make = f"""
        import ctypes, os, socket
        os.mkfifo("pipe"); held = os.open("pipe", os.O_RDWR); os.mkfifo("empty")
        server = socket.socket(socket.AF_UNIX); server.bind("socket"); server.listen()
        open("device", "w").close()
        ctypes.CDLL(None).syscall({CALLS["renameat2"]}, -100, b"device", -100, b"moved", 4)
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        execution = await session.run(dedent(make), return_files=["*"])
        assert [(info.path, info.content) for info in execution.files] == [("moved", b"")]
        for path in ("pipe", "empty", "socket", "device"):
            assert await refusal(session.files.read(path)) == "PathRefused", path
            assert await refusal(session.files.write(f"{path}/x", b"x")) in REFUSALS, path
            assert await refusal(session.files.list(path)) == "FileMissing", path
        kinds = {info.path: info.kind for info in await session.files.list()}
        assert kinds == {"moved": "file", **dict.fromkeys(("pipe", "empty", "socket", "device"), "other")}
        await session.files.write("pipe", b"x")
        assert await session.files.read("pipe") == b"x"
        for path in ("empty", "socket", "device"):
            await session.files.delete(path)


@attack("have the agent read its own /proc, or the root, through links", Layer.AGENT)
async def test_the_agents_proc_is_not_served(stand: Stand) -> None:
    targets = (
        *(f"/proc/{who}/{what}" for who in ("1", "self") for what in ("environ", "root", "cwd", "fd/3", "mem", "exe")),
        *("/", "/etc/passwd", "..", "../../etc/passwd", "/mnt/data/../../etc/passwd", "/dev/zero", "/dev/fd/0"),
    )
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await done(session, f"import os\nfor n, to in enumerate({targets!r}): os.symlink(to, f'link{{n}}')")
        for number in range(len(targets)):
            for path in (f"link{number}", f"link{number}/etc/passwd", f"link{number}/environ"):
                assert await refusal(session.files.read(path)) in REFUSALS, (targets[number], path)
                assert await refusal(session.files.list(path)) in REFUSALS, (targets[number], path)
            assert await refusal(session.files.write(f"link{number}/x", b"x")) in REFUSALS, targets[number]
        returned = await session.run("open('file', 'w').write('x')", return_files=["**"])
        assert [(info.path, info.content) for info in returned.files] == [("file", b"x")]


@attack("keep whoever resolves a path busy with links that lead to each other", Layer.AGENT)
async def test_loops_of_links_end(stand: Stand) -> None:
    make = """
        import os
        os.symlink("loop", "loop"); os.symlink("b", "a"); os.symlink("a", "b")
        os.mkdir("d"); os.symlink("../d", "d/up")
        os.symlink("chain0", "end")
        for n in range(100): os.symlink(f"chain{n + 1}", f"chain{n}")
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await done(session, dedent(make))
        for path in ("loop", "a", "loop/x", "end", "d/up" + "/up" * 60):
            assert await refusal(session.files.read(path)) == "PathRefused", path
            assert await refusal(session.files.list(path)) == "PathRefused", path
        listed = await session.files.list(depth=32)
        assert len(listed) == 3 + 2 + 1 + 100
        await session.files.delete("loop")
        assert await refusal(session.files.read("loop")) == "FileMissing"


@attack("use up inodes and disk, so that nobody can write or delete any more", Layer.AGENT)
async def test_a_full_workspace_can_be_emptied(stand: Stand) -> None:
    inodes = "import os\ntry:\n    for n in range(4096): open(f'{n}', 'w').close()\nexcept OSError as e: print(e.errno)"
    disk = "try:\n    for n in range(9): open(f'{n}', 'wb').write(bytes(4 << 20))\nexcept OSError as e: print(e.errno)"
    for code in (inodes, disk):
        async with stand.unharmed(), stand.client() as client, client.session() as session:
            assert (await done(session, code)).stdout == "28\n"
            assert await refusal(session.files.write("more", bytes(1 << 20))) == "WorkspaceFull"
            await done(session, "1")
            await session.files.delete("0")
            await session.files.write("more", b"x")
            assert await session.files.read("more") == b"x"


@attack("shut the server out of the workspace by modes and access lists", Layer.AGENT)
async def test_a_workspace_that_is_shut_harms_its_own_session_alone(stand: Stand) -> None:
    shut = """
        import os, struct
        os.makedirs("d/e"); open("d/f", "w").close(); os.mkdir("r"); open("r/f", "w").close(); os.chmod("r", 0o444)
        entries = ((1, 0, -1), (2, 7, 1000), (4, 0, -1), (16, 7, -1), (32, 0, -1))  # all for the user, but as its owner
        access = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
        os.setxattr("d", "system.posix_acl_access", access)
        os.chmod(".", 0)
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await done(session, dedent(shut))
        for call in (session.files.list(), session.files.read("d/f"), session.files.delete("d")):
            assert await refusal(call) == "PathRefused"
        assert await refusal(session.files.write("x", b"x")) == "PathRefused"
        assert (await session.run("import os; os._exit(1)")).outcome == "crashed"
        await done(session, "import os; os.chmod('/mnt/data', 0o755)")
        listed = {info.path for info in await session.files.list(depth=3)}
        assert listed == {"d", "r"}
        assert {info.path for info in (await done(session, "open('new', 'w').close()")).files} == {"new"}
        for path in ("d", "r", "new"):
            await session.files.delete(path)
        assert await session.files.list() == []
