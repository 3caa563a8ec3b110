from __future__ import annotations

from collections.abc import Iterator

import pytest

from insitu import Sandbox
from insitu.integrations.deepagents import InsituBackend

pytestmark = pytest.mark.client("deepagents")


@pytest.fixture(scope="module")
def backend() -> Iterator[InsituBackend]:
    with Sandbox(preimport=[], processes=64) as sandbox:
        yield InsituBackend(sandbox)


@pytest.mark.shows("answer")
def test_commands_run_with_bash_where_the_files_are(backend: InsituBackend) -> None:
    done = backend.execute("echo out; echo err >&2; pwd; exit 3")
    assert (done.output, done.exit_code, done.truncated) == ("out\nerr\n/mnt/data\n", 3, False)


def test_a_command_that_takes_too_long_is_ended(backend: InsituBackend) -> None:
    assert backend.execute("sleep 50", timeout=1).exit_code == 124
    assert backend.execute("echo ok").output == "ok\n"


def test_long_output_is_cut(backend: InsituBackend) -> None:
    done = backend.execute("head -c 2000000 /dev/zero | tr '\\0' x")
    assert (len(done.output), done.truncated) == (1 << 20, True)


@pytest.mark.parametrize("folder", ["/mnt/data", "/tmp"])
@pytest.mark.shows("files in", "files out")
def test_files_go_in_and_out_anywhere(backend: InsituBackend, folder: str) -> None:
    path = f"{folder}/sub/a.bin"
    assert [each.error for each in backend.upload_files([(path, b"\x00\xff"), ("relative", b"")])] == [
        None,
        "invalid_path",
    ]
    found = backend.download_files([path, f"{folder}/missing", f"{folder}/sub", "relative"])
    assert [(each.content, each.error) for each in found] == [
        (b"\x00\xff", None),
        (None, "file_not_found"),
        (None, "is_directory"),
        (None, "invalid_path"),
    ]


@pytest.mark.shows("errors")
def test_what_nobody_may_write_is_refused(backend: InsituBackend) -> None:
    assert backend.upload_files([("/usr/a", b"1")])[0].error == "permission_denied"


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
