"""Files that are found: what code leaves for listings, for answers and for the next interpreter"""

from __future__ import annotations

from datetime import UTC, datetime
from textwrap import dedent

import httpx2

from tests.attacks.attack import Layer, attack
from tests.attacks.serving import CALLS, REFUSALS, done, refusal
from tests.attacks.stand import ATTACKER, Stand


@attack("hide files, and hold listings up, by names like those of the agent's own", Layer.AGENT)
async def test_names_like_the_agents_hide_nothing_else(stand: Stand) -> None:
    make = """
        import os
        for n in range(900): open(f".insitu-{n:x}", "w").close()
        open("file", "w").write("x")
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await done(session, dedent(make))
        assert [info.path for info in await session.files.list()] == ["file"]
        await session.files.write("other", b"y")
        assert await session.files.read("other") == b"y"
        await session.files.delete(".insitu-0")
        assert (await done(session, "import os; len(os.listdir())")).text == "901"


@attack("break answers by names with line ends, escape codes and bytes that are no text", Layer.HOST)
async def test_odd_names_break_no_answer(stand: Stand) -> None:
    names = (
        b"a\nb",
        b"\x1b[2J\x1b]0;x\x07",
        b"x\r\nset-cookie: a=b\r\n\r\n",
        b'";filename="y',
        b"\xff\xfe",
        b"\xed\xa0\x80",
    )
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        code = f"import os\nfor name in {names!r}: os.close(os.open(name, os.O_CREAT))"
        shown = {name.decode("utf-8", "surrogateescape").encode("utf-8", "backslashreplace").decode() for name in names}
        assert {info.path for info in (await done(session, code)).files} == shown
        assert {info.path for info in await session.files.list()} == shown
        assert await session.files.read("a\nb") == b""
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {ATTACKER}"}) as http:
            url = f"{stand.url}/v1/sessions/{session.id}/files/x%0D%0Aset-cookie:%20a=b%0D%0A%0D%0A"
            answer = await http.get(url)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert answer.headers["content-disposition"].startswith('attachment; filename="x__set-cookie_ a_b____"')


@attack("break listings by times that no calendar has", Layer.HOST)
async def test_impossible_times_break_no_listing(stand: Stand) -> None:
    seconds = (2**62, 9 * 10**11, 10**11, -(2**62), -(10**12) + 1, -(10**11))
    make = f"""
        import ctypes, os, struct
        for n, second in enumerate({seconds}):
            open(f"file{{n}}", "w").close()
            times = struct.pack("qqqq", second, 0, second, 0)
            assert ctypes.CDLL(None).syscall({CALLS["utimensat"]}, -100, f"file{{n}}".encode(), times, 0) == 0
        [os.stat(f"file{{n}}").st_mtime for n in range({len(seconds)})] == list(map(float, {seconds}))
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        execution = await done(session, dedent(make))
        assert execution.text == "True"
        for info in (*execution.files, *await session.files.list()):
            assert 1 < datetime.fromtimestamp(info.modified, UTC).year < 9999


@attack("exhaust who walks the workspace by folders without end", Layer.AGENT)
async def test_endless_folders_are_walked_so_far(stand: Stand) -> None:
    deep = "import os\nfor _ in range(900): os.mkdir('d' * 255); os.chdir('d' * 255)\nos.chdir('/mnt/data')"
    wide = "import os\nfor n in range(900): os.makedirs(f'd/{n:03}' + chr(1) * 252)"
    for code in (deep, wide):
        async with stand.unharmed(), stand.client() as client, client.session() as session:
            await done(session, code)
            assert 0 < len(await session.files.list(depth=32)) <= 1000
            assert await refusal(session.files.list("/".join(["d" * 255] * 17))) in REFUSALS
            for info in await session.files.list():
                await session.files.delete(info.path)
            assert (await done(session, "import os; os.listdir()")).text == "[]"


@attack("take all descriptors, so that the workspace cannot be listed", Layer.RLIMITS)
async def test_without_descriptors_an_execution_still_ends(stand: Stand) -> None:
    take = """
        import os
        held = []
        try:
            while True: held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError: pass
        len(held) < 1024
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert (await done(session, dedent(take))).text == "True"
        await session.files.write("file", b"x")
        assert [info.path for info in await session.files.list()] == ["file"]
        assert (await done(session, "1 + 1")).text == "2"


@attack("plant a cache of matplotlib, IPython or fonts for the next sandbox", Layer.WORKSPACE)
async def test_caches_are_of_one_sandbox_alone(stand: Stand) -> None:
    plant = """
        import os
        variables = ("MPLCONFIGDIR", "IPYTHONDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR", "HOME")
        for folder in (os.environ[name] for name in variables):
            os.makedirs(folder, exist_ok=True)
            open(f"{folder}/planted", "w").close()
        """
    look = """
        import os
        folders = ("/mnt/data", "/home/user", "/tmp", "/dev/shm", "/run")
        [path for top in folders for path, _, names in os.walk(top) if "planted" in names]
        """
    async with stand.unharmed(), stand.client() as client:
        planted = await client.run(dedent(plant) + "\n" + dedent(look))
        assert planted.text != "[]"
        assert (await client.run(dedent(look))).text == "[]"
