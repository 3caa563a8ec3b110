"""Files on their way out: what code does to them meanwhile, and what they do to those who fetch them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import httpx2
import pytest

from insitu.client import AsyncClientSession
from insitu.types import FileInfo
from insitu.web.downloads import TYPES
from tests.attacks.asking import program
from tests.attacks.attack import Layer, attack
from tests.attacks.serving import REFUSALS, done, refusal
from tests.attacks.stand import ATTACKER, NEIGHBOUR, Stand

# More than a socket's buffers hold: a server that has sent the first bytes of it is not done.
_LARGE = 12 << 20


@asynccontextmanager
async def files(stand: Stand, session: AsyncClientSession, key: str = ATTACKER) -> AsyncIterator[httpx2.AsyncClient]:
    """A session's files, for requests that the client has no call for."""
    url = f"{stand.url}/v1/sessions/{session.id}/files/"
    async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=20) as http:
        yield http


@attack("fetch a file of the host through a link, whole, in parts and by its head", Layer.AGENT)
async def test_links_lead_to_no_file_of_the_host(stand: Stand, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("the host's")
    targets = (str(hosts), f"/proc/1/root{hosts}", "../" * 40 + str(hosts), f"/mnt/data/../..{hosts}", "/etc/hostname")
    async with stand.unharmed(), stand.client() as client, client.session() as session, files(stand, session) as http:
        await done(session, f"import os\nfor n, to in enumerate({targets!r}): os.symlink(to, f'{{n}}')")
        for number in range(len(targets)):
            answers = [
                await http.get(str(number)),
                await http.head(str(number)),
                await http.get(str(number), headers={"range": "bytes=0-3"}),
                await http.get(str(number), params={"depth": 2}),
            ]
            assert {answer.status_code for answer in answers} <= {404, 422}, targets[number]
            assert not any("host's" in answer.text for answer in answers)


@attack(
    "have what is no file of its own returned: pipes, sockets, folders and links with the names of files", Layer.HOST
)
async def test_only_files_are_returned(stand: Stand) -> None:
    make = """
        import os, socket
        os.mkfifo("a.csv"); socket.socket(socket.AF_UNIX).bind("b.csv"); os.mkdir("c.csv")
        os.symlink("/etc/passwd", "d.csv"); os.symlink("f.csv", "e.csv")
        open("f.csv", "w").write("x"); os.link("f.csv", "g.csv")
        [attempt(os.link, "/etc/passwd", "h.csv"), attempt(os.mknod, "i.csv", 0o20666, os.makedev(1, 3))]
        """
    async with stand.unharmed(), stand.client() as client:
        execution = await client.run(program(make), return_files=["*.csv"])
    assert execution.text == "['EXDEV', 'EPERM']"
    assert {info.path: info.content for info in execution.files} == {"f.csv": b"x", "g.csv": b"x"}


_SWAP = """
import os
def make(path): open(path, "w").write("mine" * 200_000)
os.mkfifo("pipe"); os.symlink("/etc/passwd", "link"); os.mkdir("folder"); make("file")
print("in", flush=True)
while True:
    for kind in ("link", "file", "pipe", "folder", "file"):
        if kind == "file": os.path.exists("file") or make("file")
        os.rename(kind, "a")
        os.rename("a", kind)
"""


@attack("swap a file for a link, a pipe or a folder while it is fetched", Layer.AGENT)
async def test_what_is_swapped_is_served_or_refused(stand: Stand) -> None:
    answers = set()
    async with stand.unharmed(5), stand.client() as client, client.session() as session:
        async with aclosing(session.stream(_SWAP, timeout_s=5)) as events:
            async for event in events:
                if event.kind == "stdout":
                    for _ in range(60):
                        answers.add(await refusal(_mine(session)))
                    break
    # An answer that is swapped midway is broken off: its length has been told.
    assert answers <= {*REFUSALS, "ServerUnreachable", "went through"}


async def _mine(session: AsyncClientSession) -> None:
    assert not (await session.files.read("a")).replace(b"mine", b"")


@pytest.mark.parametrize("header", [None, "bytes=1000-"], ids=["whole", "range"])
@attack("cut a file short while it is fetched, so that the server waits for what never comes", Layer.HOST)
async def test_a_file_that_shrinks_ends_the_answer(
    stand: Stand, header: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session, files(stand, session) as http:
        await done(session, f"open('a', 'wb').write(b'x' * {_LARGE})")
        with pytest.raises(httpx2.RemoteProtocolError):
            async with http.stream("GET", "a", headers={"range": header} if header else {}) as answer:
                assert answer.status_code in (200, 206)
                await done(session, "import os; os.truncate('a', 1)")
                async for _ in answer.aiter_raw():
                    pass
        assert (await http.get("a")).content == b"x"
        assert (await http.get("a", headers={"range": "bytes=1-"})).status_code == 416
    # Nor can it fill the server's log with the traces of errors.
    assert not [record for record in caplog.records if record.exc_info]


@attack("make a file longer while it is fetched, so that the answer never ends", Layer.HOST)
async def test_a_file_that_grows_is_sent_as_long_as_it_was(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session, files(stand, session) as http:
        await done(session, f"open('a', 'wb').write(b'x' * {_LARGE // 2})")
        async with http.stream("GET", "a") as answer:
            await done(session, f"open('a', 'ab').write(b'y' * {_LARGE // 2})")
            assert await answer.aread() == b"x" * (_LARGE // 2)


_SHUFFLE = """
import os
for n in range(200): os.makedirs(f"d{n % 20}/d{n}")
print("in", flush=True)
n = 0
while True:
    n += 1
    os.rename(f"d{n % 20}", f"e{n % 20}")
    os.mkdir(f"e{n % 20}/n{n}"); os.rmdir(f"e{n % 20}/n{n}")
    os.rename(f"e{n % 20}", f"d{n % 20}")
"""


@attack("change the folders while they are listed", Layer.AGENT)
async def test_a_listing_of_what_changes_is_an_answer(stand: Stand) -> None:
    sizes = set()
    async with stand.unharmed(5), stand.client() as client, client.session() as session:
        async with aclosing(session.stream(_SHUFFLE, timeout_s=5)) as events:
            async for event in events:
                if event.kind == "stdout":
                    for _ in range(20):
                        sizes.add(len(await session.files.list(depth=32)))
                    break
    assert 0 < min(sizes) <= max(sizes) <= 1000


_WIDEN = """
import os
for n in range(400): os.makedirs(f"deep/{n}")
print("in", flush=True)
while True:
    lifted = sorted(name for name in os.listdir() if name.startswith(".deleted-"))
    for name in lifted[: len(lifted) // 2]:
        for n in range(5): attempt(os.mkdir, f"{name}/{n}")
"""


@attack("make folders in a folder that is deleted, faster than they go", Layer.AGENT)
async def test_a_tree_that_grows_does_not_hold_the_agent(stand: Stand) -> None:
    async with stand.unharmed(5), stand.client() as client, client.session() as session:
        async with aclosing(session.stream(program(_WIDEN), timeout_s=5)) as events:
            async for event in events:
                if event.kind == "stdout":
                    assert await refusal(session.files.delete("deep")) in {"PathRefused", "went through"}
                    assert isinstance(await session.files.list(depth=2), list)
                    break
        for info in await session.files.list():
            await session.files.delete(info.path)
        assert await session.files.list() == []


@attack("have the server delete, or give away, a folder of the host by a link in its place", Layer.AGENT)
async def test_nothing_of_the_host_is_deleted(stand: Stand, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    before = kept.stat()
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        await done(session, f"import os\nos.mkdir('d')\nfor name in ('a', 'd/b'): os.symlink({str(tmp_path)!r}, name)")
        assert await refusal(session.files.delete("a/kept")) == "PathRefused"
        assert await refusal(session.files.delete("d/b/kept")) == "PathRefused"
        assert await refusal(session.files.write("a/kept", "changed")) == "PathRefused"
        await session.files.delete("d")
        assert [info.path for info in await session.files.list()] == ["a"]
    after = kept.stat()
    assert kept.read_text() == "kept"
    assert (after.st_uid, after.st_mode, after.st_mtime_ns) == (before.st_uid, before.st_mode, before.st_mtime_ns)


_NAMES = (
    "a\r\nset-cookie: a=b\r\n\r\n<script>",
    'a"; filename="b.html',
    "a'; filename*=UTF-8''b.html",
    "a\\",
    "%0d%0aset-cookie: a=b",
    "\u202egpj.exe",
    "ü" * 127,
    "\x7f\x01\x1b[2J",
    "\u2028",
    " ",
    "...",
    "~",
)


@attack("put headers and other names into an answer by the name of a file", Layer.API)
async def test_names_stay_within_their_header(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session, files(stand, session) as http:
        await done(session, f"for name in {_NAMES!r}: open(name, 'w').write(name)")
        plain = set((await http.get("~")).headers)
        for name in _NAMES:
            answer = await http.get(quote(name, safe=""))
            assert (answer.status_code, answer.text) == (200, name)
            assert set(answer.headers) == plain, name
            disposition = answer.headers["content-disposition"]
            plain_name, _, encoded = disposition.partition("; filename*=UTF-8''")
            assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._ -]*"', plain_name)
            assert encoded == quote(name, safe="")


_PAGE = (
    "<html xmlns='http://www.w3.org/1999/xhtml'><svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg></html>"
)
_ENDINGS = ("html", "HTM", "svg", "xhtml", "xml", "js", "mjs", "css", "pdf", "swf", "wasm", "htm.", "png", "txt", "")


@attack("have a browser run a page, a picture or a script that code wrote", Layer.API)
async def test_no_file_is_a_page(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, client.session() as session, files(stand, session) as http:
        await done(session, f"for ending in {_ENDINGS!r}: open(f'a.{{ending}}', 'w').write({_PAGE!r})")
        for ending in _ENDINGS:
            for asked in ({}, {"range": "bytes=0-9"}, {"accept": "text/html"}):
                headers = (await http.get(f"a.{ending}", headers=asked)).headers
                assert headers["content-type"] == TYPES.get(f".{ending}", "application/octet-stream")
                assert headers["content-disposition"].startswith("attachment;")
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert not {"text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "text/javascript"} & {
        *TYPES.values()
    }


_CONDITIONS = (
    {"if-none-match": "*"},
    {"if-modified-since": "Fri, 31 Dec 2099 23:59:59 GMT"},
    {"if-range": '"a"', "range": "bytes=0-1"},
    {"cache-control": "only-if-cached"},
)


@attack("get another session's file from a cache, by its path and by conditions", Layer.API)
async def test_nothing_is_cached_across_sessions(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client, stand.client(NEIGHBOUR) as neighbour:
        async with client.session() as session, neighbour.session() as others:
            await others.files.write("same", "theirs")
            await session.files.write("same", "mine")
            async with files(stand, others, NEIGHBOUR) as http:
                assert (await http.get("same")).text == "theirs"
            async with files(stand, session) as http:
                for conditions in _CONDITIONS:
                    answer = await http.get("same", headers=conditions)
                    assert (answer.status_code, answer.text) == (200, "mine"), conditions
                    assert answer.headers["cache-control"] == "no-store"
                    assert not {"etag", "last-modified", "expires", "age"} & set(answer.headers)
            async with files(stand, others) as http:
                assert (await http.get("same")).status_code == 404


@attack("have the server count or send beyond a file's end, by ranges of all sizes", Layer.API)
async def test_ranges_stay_within_the_file(stand: Stand) -> None:
    ranges = {
        "bytes=9223372036854775807-": 416,
        "bytes=18446744073709551615-18446744073709551616": 200,
        "bytes=0-9999999999999999999": 206,
        "bytes=-9999999999999999999": 206,
        "bytes=0-0,1-1" + ",2-2" * 1000: 200,
        "bytes=3-1": 200,
    }
    async with stand.unharmed(), stand.client() as client, client.session() as session, files(stand, session) as http:
        await done(session, "import os; os.truncate(os.open('a', os.O_CREAT | os.O_WRONLY), 1000)")
        for header, status in ranges.items():
            answer = await http.get("a", headers={"range": header})
            assert answer.status_code == status, header
            assert status == 416 or answer.content == bytes(1000)
        assert await refusal(_listed(session, 33)) == "InvalidRequest"


async def _listed(session: AsyncClientSession, depth: int) -> list[FileInfo]:
    return await session.files.list(depth=depth)
