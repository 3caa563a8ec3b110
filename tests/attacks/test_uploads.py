"""Files on their way in: names that lead elsewhere, what is in their way, archives, and too much of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx2

from tests.attacks.asking import ask, program
from tests.attacks.attack import Layer, attack
from tests.attacks.serving import done, refusal
from tests.attacks.stand import ATTACKER, SETTINGS, Stand

_OUTWARDS = (
    *("..", "../x", "a/../../x", "a/..", "./../x", "/etc/x", "//etc/x", "/mnt/data/../x", "/mnt/data2/x", "/x"),
    *("/proc/self/x", "a\0b", "\0", "x" * 256, "ü" * 128, "/".join("x" * 2100), "", ".", "/", "/mnt/data", "a/../.."),
)
_ENCODED = ("%2e%2e/x", "%2e%2e%2fx", "..%2f..%2fx", "%2Fetc%2Fx", "a%00b", "%ff", "%c0%ae%c0%ae/x", "%ed%a0%80")
_ODD_BUT_NAMES = ("C:\\x", "..\\x", "con", "a/", ".. ", "...", "-rf", "~root", "%2e%2e", "a;b", "$(x)", "x" * 255)


@attack("write outside of the workspace by the name of an upload", Layer.API)
async def test_names_that_lead_out_are_refused(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        for name in _OUTWARDS:
            assert await refusal(session.files.write(name, "x")) == "PathRefused", name
            assert await refusal(client.run("1", files={name: "x"})) in {"PathRefused", "InvalidRequest"}, name
        url = f"{stand.url}/v1/sessions/{session.id}/files/"
        async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {ATTACKER}"}) as http:
            for path in _ENCODED:
                assert (await http.put(path, content=b"x")).status_code == 422, path
            for name in _ODD_BUT_NAMES:
                assert (await http.put(quote(name, safe="/"), content=b"x")).status_code == 201, name
        assert {info.path for info in await session.files.list()} == {name.strip("/") for name in _ODD_BUT_NAMES}


@attack("have an upload written through a link that lies in its place, or on its way", Layer.AGENT)
async def test_links_in_the_way_are_replaced(stand: Stand) -> None:
    targets = ("/etc/passwd", "/mnt/data/mine", "mine", "dangling", "l4", "/proc/self/mem", "/dev/full", "..", "/")
    code = f"import os\nopen('mine', 'w').write('mine')\nfor n, to in enumerate({targets!r}): os.symlink(to, f'l{{n}}')"
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await done(session, code)
        for number in range(len(targets)):
            if number in (0, 2, 3, 4, 5, 6, 7, 8):
                assert await refusal(session.files.write(f"l{number}/x", "x")) in {"PathRefused", "FileMissing"}
            await session.files.write(f"l{number}", f"{number}")
            assert await session.files.read(f"l{number}") == f"{number}".encode()
        assert await session.files.read("mine") == b"mine"
        assert {info.kind for info in await session.files.list()} == {"file"}


@attack("upload over a folder, a pipe that is read, and a file that is mapped", Layer.AGENT)
async def test_what_is_in_the_way_is_left_or_replaced_whole(stand: Stand) -> None:
    make = """
        import mmap
        os.makedirs("folder/full"); os.mkfifo("pipe")
        reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
        open("mapped", "w").write("old"); view = mmap.mmap(os.open("mapped", os.O_RDWR), 3)
        """
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await done(session, program(make))
        assert await refusal(session.files.write("folder", "x")) == "IsFolder"
        for name in ("pipe", "mapped"):
            await session.files.write(name, "new")
        assert await ask(session, "[os.read(reader, 9), view[:], open('mapped').read()]") == [b"", b"old", "new"]
        assert {info.path for info in await session.files.list()} == {"folder", "pipe", "mapped"}


@attack("fill the disk, and more than the disk, by uploads", Layer.WORKSPACE)
async def test_uploads_end_at_the_disks_size(stand: Stand) -> None:
    async def of_unknown_size() -> AsyncIterator[bytes]:
        for _ in range(0, SETTINGS.disk_bytes + 1, 1 << 20):
            yield bytes(1 << 20)

    async with stand.unharmed(), stand.client() as client, client.session() as session:
        for content in (bytes(SETTINGS.disk_bytes + 1), of_unknown_size()):
            assert await refusal(session.files.write("large", content)) == "WorkspaceFull"
            assert await session.files.list() == []
        await session.files.write("large", bytes(SETTINGS.disk_bytes - (1 << 20)))
        assert await refusal(session.files.write("large", bytes(2 << 20))) == "WorkspaceFull"
        assert len(await session.files.read("large")) == SETTINGS.disk_bytes - (1 << 20)
        await session.files.delete("large")
        await session.files.write("small", "x")


@attack("hold the agent by the deepest path that there can be", Layer.API)
async def test_the_deepest_paths_cost_little(stand: Stand) -> None:
    long, deep = "/".join(["x" * 255] * 15), "/".join("d" * 1000)
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        for path in (long, deep):
            await session.files.write(path, "x")
            assert await session.files.read(path) == b"x"
            assert len(await session.files.list(depth=32)) <= 1000
            assert await refusal(session.files.write("e/" * 2047 + "e", "x")) == "WorkspaceFull"
            for info in await session.files.list():
                await session.files.delete(info.path)
        assert await session.files.list() == []


def archives() -> dict[str, bytes]:
    """Archives whose members lead out of the folder that they are unpacked into."""
    names = ("../../../etc/slipped", "/etc/slipped", "../../usr/slipped", "..\\..\\slipped")
    as_zip, as_tar = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(as_zip, "w") as packed:
        for name in names:
            packed.writestr(name, "slipped")
    with tarfile.open(fileobj=as_tar, mode="w") as tarred:
        for kind, name, to in (
            (tarfile.SYMTYPE, "out", "/etc"),
            (tarfile.REGTYPE, "out/slipped", ""),
            (tarfile.CHRTYPE, "device", ""),
            (tarfile.REGTYPE, names[0], ""),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, to, 0o6777
            tarred.addfile(member)
    return {"a.zip": as_zip.getvalue(), "a.tar": as_tar.getvalue()}


# As careless as code can be: every member where its name says, with all that is said of it.
_UNPACK = """
    import tarfile, zipfile
    def unzip(packed, name):
        with packed.open(name) as source, open(name, "wb") as target: target.write(source.read())
    refusals = []
    with zipfile.ZipFile("a.zip") as packed:
        refusals += [attempt(unzip, packed, name) for name in packed.namelist()]
    with tarfile.open("a.tar") as tarred:
        for member in tarred: refusals.append(attempt(tarred._extract_member, member, member.name))
    refusals
    """


@attack("write over the host's files by an archive whose members lead out, unpacked with no care", Layer.ROOT)
async def test_archives_are_bytes_and_lead_nowhere(stand: Stand) -> None:
    # The server unpacks nothing: what is in an archive is up to the code, behind the wall.
    made = archives()
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        for name, content in made.items():
            await session.files.write(name, content)
            assert await session.files.read(name) == content
        assert {info.path for info in await session.files.list(depth=9)} == set(made)
        unzipped = ["EROFS", "EROFS", "EROFS", "went through"]
        assert await ask(session, _UNPACK) == [*unzipped, "went through", "EROFS", "EPERM", "EROFS"]
        assert await ask(session, "[os.path.exists('/etc/slipped'), os.path.exists('/usr/slipped')]") == [False, False]


def bomb() -> bytes:
    """A small archive of 64 MiB, of one large file and many empty ones."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("large", bytes(64 << 20))
        for number in range(2000):
            packed.writestr(str(number), "")
    return file.getvalue()


@attack(
    "fill the disk by an archive that unpacks to a thousand times its size, or to thousands of files", Layer.WORKSPACE
)
async def test_a_bomb_fills_its_own_disk(stand: Stand) -> None:
    unpack = """
        import zipfile
        with zipfile.ZipFile("bomb.zip") as packed:
            large = attempt(packed.extract, "large")
            os.remove("large")
            names = packed.namelist()[1:]
            many = {attempt(packed.extract, name) for name in names}
        [large, sorted(many)]
        """
    async with stand.unharmed(5), stand.client() as client, client.session() as session:
        await session.files.write("bomb.zip", bomb())
        assert [info.path for info in await session.files.list()] == ["bomb.zip"]
        execution = await session.run(program(unpack), timeout_s=5)
        assert execution.text == "['ENOSPC', ['ENOSPC', 'went through']]"
