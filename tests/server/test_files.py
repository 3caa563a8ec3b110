"""A session's workspace over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx2
import pytest

from insitu.settings import Settings

Raw = Callable[[bytes], tuple[int, dict[str, str], bytes]]

BYTES = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(port=0, preimport=(), pool_size=1, upload_bytes=8 << 20, disk_bytes=6 << 20)


@pytest.fixture(scope="module")
def files(client: httpx2.Client) -> Iterator[str]:
    """The path of a workspace with a file of 256,000 bytes."""
    path = f"/v1/sessions/{client.post('/v1/sessions').json()['id']}"
    client.put(f"{path}/files/data.bin", content=BYTES)
    yield f"{path}/files"
    client.delete(path)


def run(client: httpx2.Client, files: str, code: str) -> None:
    body = client.post(f"{files.removesuffix('files')}execute", json={"code": code}).json()
    assert body["outcome"] == "ok", body


def refused(answer: httpx2.Response, status: int = 422) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["code"])


def test_what_is_put_is_there_for_the_code_and_back(client: httpx2.Client, files: str) -> None:
    made = client.put(f"{files}/new/folder/a.txt", content="früh".encode())
    assert made.status_code == 201
    assert (made.json()["path"], made.json()["size"], made.json()["kind"]) == ("new/folder/a.txt", 5, "file")
    run(client, files, "text = open('new/folder/a.txt').read(); open('new/b.txt', 'w').write(text * 2)")
    assert client.get(f"{files}/new/b.txt").content == "frühfrüh".encode()


def test_a_file_put_again_is_replaced(client: httpx2.Client, files: str) -> None:
    assert client.put(f"{files}/twice", content=b"a long one").status_code == 201
    assert client.put(f"{files}/twice", content=b"short").status_code == 200
    assert client.get(f"{files}/twice").content == b"short"


def test_an_empty_file_is_a_file(client: httpx2.Client, files: str) -> None:
    assert client.put(f"{files}/empty").json()["size"] == 0
    answer = client.get(f"{files}/empty")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


def test_a_chunked_body_is_taken(client: httpx2.Client, files: str) -> None:
    chunks = iter([b"one", b"two" * 100_000])
    assert client.put(f"{files}/chunked", content=chunks).json()["size"] == 300_003


def test_both_roots_and_relative_paths_name_the_same_file(client: httpx2.Client, files: str) -> None:
    client.put(f"{files}/same.txt", content=b"same")
    for path in ("/mnt/data/same.txt", "/home/user/same.txt", "%2Fmnt%2Fdata%2Fsame.txt", "./same.txt"):
        assert client.get(f"{files}/{path}").content == b"same"


@pytest.mark.parametrize("name", ["a b.txt", "a%b", "ä✓.txt", "a+b", "a#b?c", "a'\"b\\c", "a;b", "\r\n", "-rf"])
def test_any_name_comes_back_as_it_was(client: httpx2.Client, files: str, name: str) -> None:
    path = f"{files}/{quote(name, safe='')}"
    assert client.put(path, content=b"x").status_code == 201
    assert name in [info["path"] for info in client.get(files).json()["files"]]
    answer = client.get(path)
    assert answer.content == b"x"
    assert answer.headers["content-disposition"].isascii()
    assert client.delete(path).status_code == 204
    assert refused(client.get(path), 404) == "file_not_found"


def test_no_browser_runs_what_code_wrote(client: httpx2.Client, files: str) -> None:
    client.put(f"{files}/page.html", content=b"<script>alert(1)</script>")
    headers = client.get(f"{files}/page.html").headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment; filename=\"page.html\"; filename*=UTF-8''page.html"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_a_name_cannot_inject_a_header(client: httpx2.Client, files: str) -> None:
    path = f"{files}/a%0D%0Ax-evil:%201%22.csv"
    client.put(path, content=b"1")
    headers = client.get(path).headers
    assert "x-evil" not in headers
    name = "attachment; filename=\"a__x-evil_ 1_.csv\"; filename*=UTF-8''a%0D%0Ax-evil%3A%201%22.csv"
    assert headers["content-disposition"] == name
    assert headers["content-type"] == "text/csv"


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=255990-", 255_990, 256_000),
        ("bytes=-7", 255_993, 256_000),
        ("bytes=-999999999", 0, 256_000),
        ("bytes=10-999999999", 10, 256_000),
        ("bytes=70000-200000", 70_000, 200_001),
    ],
)
def test_a_range_is_answered(client: httpx2.Client, files: str, header: str, start: int, end: int) -> None:
    answer = client.get(f"{files}/data.bin", headers={"range": header})
    assert answer.status_code == 206
    assert answer.content == BYTES[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/256000"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize(
    "header",
    ["bytes=", "bytes=-", "bytes=9-5", "bytes=0-1,5-6", "lines=0-1", "bytes=x-1", "bytes=٣-٤", "0-1"],
)
def test_what_is_no_single_range_is_the_whole_file(raw: Raw, files: str, header: str) -> None:
    request = f"GET {files}/data.bin HTTP/1.1\r\nhost: localhost\r\nrange: {header}\r\n\r\n"
    status, headers, body = raw(request.encode())
    assert (status, body, headers["accept-ranges"]) == (200, BYTES, "bytes")


def test_a_range_under_a_condition_is_the_whole_file(client: httpx2.Client, files: str) -> None:
    headers = {"range": "bytes=0-1", "if-range": '"a-validator"'}
    assert client.get(f"{files}/data.bin", headers=headers).status_code == 200


@pytest.mark.parametrize("header", ["bytes=256000-", "bytes=999999999999-1000000000000", "bytes=-0"])
def test_a_range_past_the_end_is_416(client: httpx2.Client, files: str, header: str) -> None:
    answer = client.get(f"{files}/data.bin", headers={"range": header})
    assert refused(answer, 416) == "range_not_satisfiable"
    assert answer.headers["content-range"] == "bytes */256000"


def test_head_tells_size_and_sends_nothing(client: httpx2.Client, files: str) -> None:
    answer = client.head(f"{files}/data.bin")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "256000")
    assert client.head(f"{files}/none").status_code == 404
    assert client.head(f"{files}/data.bin", headers={"range": "bytes=0-9"}).headers["content-length"] == "10"


def test_folders_are_listed_to_the_depth_asked(client: httpx2.Client, files: str) -> None:
    client.put(f"{files}/tree/one/two/leaf", content=b"1234")

    def listed(query: str) -> list[tuple[str, str]]:
        answer = client.get(f"{files}{query}").json()["files"]
        return sorted((info["path"], info["kind"]) for info in answer)

    assert ("tree", "directory") in listed("")
    assert listed("?path=tree") == [("tree/one", "directory")]
    assert listed("/tree?depth=1") == [("tree/one", "directory")]
    assert listed("/tree?depth=3") == [
        ("tree/one", "directory"),
        ("tree/one/two", "directory"),
        ("tree/one/two/leaf", "file"),
    ]


def test_a_folder_has_no_bytes(client: httpx2.Client, files: str) -> None:
    client.put(f"{files}/folder/a", content=b"1")
    answer = client.get(f"{files}/folder")
    assert refused(answer) == "is_folder"
    assert answer.json()["error"]["hint"] == "add ?depth=1 to list a folder"
    assert client.put(f"{files}/folder", content=b"1").status_code == 422
    assert client.get(f"{files}/").json() == client.get(files).json()
    assert refused(client.put(f"{files}/")) == refused(client.delete(f"{files}/")) == "path_refused"
    assert refused(client.get(f"{files}/folder/a?depth=1"), 404) == "file_not_found"


@pytest.mark.parametrize("query", ["?depth=0", "?depth=x", "?depth=33", "?deep=1", "?path=a&path=../.."])
def test_a_bad_query_is_named(client: httpx2.Client, files: str, query: str) -> None:
    assert refused(client.get(f"{files}{query}")) in {"invalid_request", "path_refused"}


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../data.bin",
        "a/../../b",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2fdata.bin",
        "/etc/passwd",
        "%2Fetc%2Fpasswd",
        "/mnt/data/../../etc/passwd",
        "/mnt/database",
        "/proc/self/environ",
        "a%00b",
        "%ff",
        "x" * 300,
        "/".join(["x"] * 3000),
    ],
    ids=lambda path: path[:30],
)
def test_a_path_out_of_the_workspace_is_refused(raw: Raw, files: str, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        request = f"{method} {files}/{path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"
        status, _, body = raw(request.encode())
        assert status == 422, body
        assert json.loads(body)["error"]["code"] == "path_refused"


@pytest.mark.parametrize("target", ["/etc/passwd", "/", "../../etc/passwd", "/proc/self/root/etc/passwd", "loop"])
def test_a_link_leads_nowhere_outside(client: httpx2.Client, files: str, target: str) -> None:
    run(
        client,
        files,
        f"import os; os.path.lexists('loop') and os.unlink('loop'); os.symlink({target!r}, 'loop')",
    )
    assert refused(client.get(f"{files}/loop")) == "path_refused"
    assert refused(client.get(f"{files}/loop/passwd")) == "path_refused"
    assert refused(client.put(f"{files}/loop/new", content=b"")) == "path_refused"
    kinds = {info["path"]: info["kind"] for info in client.get(files).json()["files"]}
    assert kinds["loop"] == "link"
    assert client.delete(f"{files}/loop").status_code == 204
    assert "loop" not in {info["path"] for info in client.get(files).json()["files"]}


def test_a_link_within_the_workspace_is_followed(client: httpx2.Client, files: str) -> None:
    client.put(f"{files}/target/file", content=b"there")
    run(client, files, "import os; os.symlink('target', 'link')")
    assert client.get(f"{files}/link/file").content == b"there"
    assert client.delete(f"{files}/link").status_code == 204
    assert client.get(f"{files}/target/file").content == b"there"


def test_what_is_no_regular_file_is_refused(client: httpx2.Client, files: str) -> None:
    run(client, files, "import os; os.mkfifo('pipe')")
    assert refused(client.get(f"{files}/pipe")) == "path_refused"
    assert client.delete(f"{files}/pipe").status_code == 204


def test_what_is_not_there_is_404(client: httpx2.Client, files: str) -> None:
    for answer in (
        client.get(f"{files}/none"),
        client.delete(f"{files}/none"),
        client.get(f"{files}?path=none"),
    ):
        assert refused(answer, 404) == "file_not_found"


def test_an_upload_over_the_cap_is_413(client: httpx2.Client, files: str) -> None:
    declared = client.put(f"{files}/large", content=bytes((8 << 20) + 1))
    assert refused(declared, 413) == "too_large"
    assert declared.json()["error"]["hint"] == "send a smaller one, or have the operator raise upload_bytes"
    undeclared = client.put(f"{files}/large", content=(bytes(1 << 20) for _ in range(9)))
    assert refused(undeclared, 413) in {"too_large", "workspace_full"}
    assert client.get(f"{files}/large").status_code == 404


def test_an_upload_that_does_not_fit_is_413_and_leaves_nothing(client: httpx2.Client, files: str) -> None:
    assert refused(client.put(f"{files}/large", content=bytes(7 << 20)), 413) == "workspace_full"
    assert "large" not in client.get(files).text
    assert client.put(f"{files}/small", content=b"1").status_code in {200, 201}


def test_a_part_of_a_file_cannot_be_put(client: httpx2.Client, files: str) -> None:
    answer = client.put(f"{files}/part", content=b"1", headers={"content-range": "bytes 0-0/2"})
    assert refused(answer) == "invalid_request"
    assert client.get(f"{files}/part").status_code == 404


def test_an_upload_broken_off_leaves_the_old_file(
    client: httpx2.Client, files: str, url: str, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    client.put(f"{files}/kept", content=b"old")
    before = client.get(files).json()

    def broken() -> Iterator[bytes]:
        yield b"new"
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        httpx2.put(f"{url}{files}/kept", content=broken())
    eventually(lambda: client.get(files).json() == before)
    assert client.get(f"{files}/kept").content == b"old"
