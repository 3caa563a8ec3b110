"""Names of files, whatever they consist of: a file of that name in the workspace, or a refusal, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from insitu.engine.workspace import relative_path
from insitu.guest.lockdown import WORKSPACE
from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.served import Served, served
from tests.support.forms import HEADERS, field, file_part, form

CONTENT = b"the content \0\xff"
# What was there outside of the workspace, and what is in it, which is then made empty.
LOOK = f"""
import json, os, shutil
def below(top):
    for folder, folders, names in os.walk(top):
        yield from (os.path.join(folder, name) for name in (*folders, *names))
inside = {{}}
for path in below({WORKSPACE.encode()!r}):
    if not os.path.isdir(path):
        with open(path, "rb") as file:
            inside[os.path.relpath(path, {WORKSPACE.encode()!r}).hex()] = file.read().hex()
for entry in os.scandir({WORKSPACE.encode()!r}):
    shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
print()
print(json.dumps([sorted(map(repr, [*below("/tmp"), *below("/dev/shm")])), inside]))
"""
ODD = (
    *(b"", b".", b"..", b"...", b"~", b"*", b"a", b"a b", b"-rf", b"\0", b"\n", b"\r\n", b"\\", b"c:", b"%2e%2e"),
    *(b"mnt", b"data", b"tmp", b"proc", b"self", b".insitu", b".insitu-0", b"\xff", b"\xed\xa0\x80", b"\xc0\xae"),
    *(
        b"a" * 255,
        b"a" * 256,
        "é".encode() * 128,
        b"'",
        b'"',
        b"<b>",
        b"$(id)",
        b"\x1b[2J",
        b"\xe2\x80\xae",
        b"?",
        b"#",
    ),
)
PIECES = st.one_of(
    st.sampled_from(ODD),
    st.binary(max_size=12),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(str.encode),
)
PATHS = st.one_of(
    st.lists(PIECES, min_size=1, max_size=6).map(b"/".join),
    st.lists(PIECES, min_size=1, max_size=5).map(lambda pieces: WORKSPACE.encode() + b"/" + b"/".join(pieces)),
    st.sampled_from(
        [b"a/" * 2100 + b"a", b"/" * 5000 + b"a", b"../" * 20 + b"etc/passwd", b"/etc/passwd", b"a/" * 200]
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with served(folder) as made:
        yield made
        assert made.failures() == ""


@pytest.fixture(scope="module")
def session(server: Served) -> str:
    """The path of a session whose folders are as they are at first."""
    path = f"/v1/sessions/{server.id_of('session_id')}"
    look(server, path)
    return path


def look(server: Served, session: str) -> tuple[list[str], dict[bytes, bytes]]:
    """What is outside of the workspace, and the files that were in it until now."""
    answer = server.http.post(f"{session}/execute", json={"code": LOOK}).json()
    assert answer["outcome"] == "ok", answer
    outside, inside = json.loads(answer["stdout"].splitlines()[-1])
    return outside, {bytes.fromhex(path): bytes.fromhex(content) for path, content in inside.items()}


def host(folder: Path) -> dict[str, list[str]]:
    """What the host has where names that lead out would lead to."""
    places = ("/", "/mnt", "/etc", "/root", os.getcwd(), str(folder), str(folder / "data"))
    return {place: sorted(os.listdir(place)) for place in places if os.access(place, os.R_OK)}


def refused(answer: httpx2.Response) -> bool:
    """Whether it is a refusal, as it must be if it is no success."""
    if answer.is_success:
        return False
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.request.method == "HEAD" or {"code", "message"} <= set(answer.json()["error"])
    return True


def send(server: Served, method: str, target: bytes, content: bytes | None = None) -> httpx2.Response:
    """A request of exactly this target."""
    request = server.http.build_request(method, "/", content=content, extensions={"target": target})
    return server.http.send(request)


@fuzzed(120, name=PATHS)
def test_a_file_is_written_under_its_name_or_not_at_all(
    server: Served, session: str, folder: Path, name: bytes
) -> None:
    before = host(folder)
    outside, _ = look(server, session)
    target = f"{session}/files/{quote(name)}".encode()
    if not refused(send(server, "PUT", target, CONTENT)):
        path = relative_path(name.decode())
        assert send(server, "GET", target).content == CONTENT
        assert int(send(server, "HEAD", target).headers["content-length"]) == len(CONTENT)
        listed = server.http.get(f"{session}/files", params={"path": os.path.dirname(path), "depth": 1}).json()["files"]
        assert path in [each["path"] for each in listed]
        assert look(server, session) == (outside, {path.encode(): CONTENT})
        assert refused(send(server, "GET", target))
    else:
        for method in ("GET", "HEAD", "DELETE"):
            send_refused(server, method, target)
        assert look(server, session) == (outside, {})
    assert host(folder) == before


def send_refused(server: Served, method: str, target: bytes) -> None:
    """A name that no file can have is that of no file; one without a name is that of the workspace, which is listed."""
    answer = send(server, method, target)
    assert refused(answer) or method == "HEAD" or (method == "GET" and isinstance(answer.json()["files"], list))


@fuzzed(100, name=PATHS, folders=st.lists(PIECES, max_size=3).map(b"/".join))
def test_a_file_is_deleted_under_its_name_or_not_at_all(
    server: Served, session: str, name: bytes, folders: bytes
) -> None:
    code = "import os\nos.makedirs('b/c', exist_ok=True); open('a', 'w'); open('b/c/d', 'w'); os.symlink('/tmp', 'out')"
    outside, _ = look(server, session)
    server.http.post(f"{session}/execute", json={"code": code})
    before = {b"a": b"", b"b/c/d": b""}
    meant = b"/".join(each for each in name.split(b"/") if each not in (b"", b"."))
    gone = refused(send(server, "DELETE", f"{session}/files/{quote(name)}".encode()))
    refused(server.http.get(f"{session}/files", params={"path": folders.decode("latin-1"), "depth": 3}))
    now_outside, now = look(server, session)
    assert now_outside == outside
    left = {path: content for path, content in before.items() if gone or not (path + b"/").startswith(meant + b"/")}
    assert now == left or (meant.startswith(WORKSPACE[1:].encode()) and now.items() <= before.items())


@fuzzed(100, name=st.text(max_size=30) | PATHS.map(lambda name: name.decode("utf-8", "replace")))
def test_a_file_that_comes_with_code_is_written_under_its_name_or_not_at_all(
    server: Served, session: str, name: str
) -> None:
    outside, _ = look(server, session)
    body: Any = {"code": "1", "files": [{"path": name, "text": "x"}], "return_files": [name[:256]]}
    answer = server.http.post(f"{session}/execute", content=json.dumps(body).encode())
    written = {} if refused(answer) else {relative_path(name).encode(): b"x"}
    assert look(server, session) == (outside, written)


@fuzzed(120, name=PIECES | PATHS, container=st.booleans())
def test_an_upload_has_its_name_or_is_refused(server: Served, folder: Path, name: bytes, container: bool) -> None:
    assume(b'"' not in name)
    before = host(folder)
    part = file_part(CONTENT).replace(b"a.txt", name)
    where = f"containers/{server.id_of('container_id')}/files" if container else "files"
    purpose = b"" if container else field("purpose", "user_data")
    answer = server.http.post(f"/v1/{where}", content=form(purpose, part), headers=HEADERS)
    if not refused(answer):
        made = answer.json()
        shown = made["path"] if container else made["filename"]
        assert not container or shown.startswith(f"{WORKSPACE}/")
        assert ".." not in shown.split("/")
        assert server.http.get(f"/v1/{where}/{made['id']}/content").content == CONTENT
        assert server.http.delete(f"/v1/{where}/{made['id']}").is_success
    assert host(folder) == before
