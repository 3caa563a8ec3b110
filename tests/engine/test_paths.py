"""Paths into the workspace: none leads out, whatever code has put there."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest

from insitu.engine import Engine, Workspace
from insitu.errors import FileMissing, InvalidRequest, PathRefused, SandboxFailed
from insitu.isolation.base import AgentRefused
from insitu.types import MIB
from tests.support.guest import Guest, chunks, content

UP = ("..", "../x", "a/../../x", "a/..", "/mnt/data/../x", "/home/user/../root")
ELSEWHERE = ("/", "//x", "/etc/passwd", "/mnt", "/mnt/data2/x", "/proc/self/environ")
IMPOSSIBLE = ("\0", "a\0b", "\udcff", "x" * 256, "ü" * 128, "a/" * 2048 + "a")


@pytest.mark.parametrize("path", [*UP, *ELSEWHERE, *IMPOSSIBLE])
async def test_paths_that_lead_out_are_refused(files: Workspace, path: str) -> None:
    attempts = [files.stat(path), files.size(path), files.list(path), content(files, path)]
    attempts += [files.write(path, chunks(b"x")), files.delete(path)]
    for attempt in attempts:
        with pytest.raises(PathRefused):
            await attempt


@pytest.mark.parametrize("path", ["", ".", "/mnt/data", "/home/user/", "./."])
async def test_the_workspace_itself_is_listed_and_no_more(files: Workspace, path: str) -> None:
    await files.write("a", chunks(b""))
    assert [info.path for info in await files.list(path)] == ["a"]
    for attempt in (files.write(path, chunks(b"x")), files.delete(path)):
        with pytest.raises(PathRefused):
            await attempt


@pytest.mark.parametrize("path", ["a b", "ä/ö", "-rf", "a\nb", "a\\b", "C:\\x", "*", ".hidden", "x" * 255, "a//b/./c/"])
async def test_odd_names_are_names(files: Workspace, path: str) -> None:
    info = await files.write(path, chunks(b"x"))
    assert await content(files, path) == b"x"
    assert info in await files.list(depth=5)
    await files.delete(path)
    with pytest.raises(FileMissing):
        await files.stat(path)


@pytest.mark.parametrize("path", [".insitu-", "a/.insitu-0", ".insitu-0/a"])
async def test_what_would_not_be_listed_is_not_written(files: Workspace, path: str) -> None:
    with pytest.raises(PathRefused, match=r"names that begin with \.insitu- are those of files on their way in"):
        await files.write(path, chunks(b"x"))


LINKS = {
    "passwd": "/etc/passwd",
    "root": "/",
    "up": "..",
    "far": "../../../../etc/passwd",
    "magic": "/proc/self/root",
    "loop": "loop",
    "folder": "/usr/lib",
}


@pytest.mark.parametrize("name", LINKS)
async def test_links_that_lead_out_are_not_followed(files: Workspace, guest: Guest, name: str) -> None:
    await guest.run(f"import os; os.symlink({LINKS[name]!r}, {name!r})")
    for path in (name, f"{name}/etc/passwd", f"{name}/x"):
        for attempt in (files.size(path), content(files, path), files.list(path)):
            with pytest.raises((PathRefused, FileMissing)):
                await attempt
    with pytest.raises((PathRefused, FileMissing)):
        await files.write(f"{name}/x", chunks(b"x"))
    assert (await files.stat(name)).kind == "link"
    assert [info.kind for info in await files.list(depth=5)] == ["link"]
    # A link in the way is replaced, or removed, itself.
    await files.write(name, chunks(b"mine"))
    assert await content(files, name) == b"mine"
    await guest.run(f"os.remove({name!r}); os.symlink({LINKS[name]!r}, {name!r})")
    await files.delete(name)
    assert await files.list() == []


async def test_links_within_are_followed(files: Workspace, guest: Guest) -> None:
    await files.write("d/f", chunks(b"x"))
    await guest.run("import os; os.symlink('d', 'l'); os.symlink('d/f', 'm')")
    assert await content(files, "l/f") == b"x"
    assert await content(files, "m") == b"x"
    assert [info.path for info in await files.list("l")] == ["l/f"]


async def test_what_is_no_file_holds_nobody_up(files: Workspace, guest: Guest) -> None:
    make = "import os, socket; os.mkfifo('fifo'); os.mkdir('folder'); socket.socket(socket.AF_UNIX).bind('socket')"
    assert (await guest.run(make)).outcome == "ok"
    for path in ("fifo", "folder", "socket"):
        with pytest.raises((InvalidRequest, PathRefused), match=r"is (no regular file|a folder)"):
            await content(files, path)
    assert {info.path: info.kind for info in await files.list()} == {
        "fifo": "other",
        "folder": "directory",
        "socket": "other",
    }
    for path in ("fifo/x", "socket/x"):
        with pytest.raises(FileMissing):
            await files.write(path, chunks(b"x"))
    with pytest.raises(InvalidRequest, match="'folder' is a folder"):
        await files.write("folder", chunks(b"x"))
    await files.write("fifo", chunks(b"x"))
    assert await content(files, "fifo") == b"x"
    for path in ("fifo", "folder", "socket"):
        await files.delete(path)
    assert await files.list() == []


async def test_what_code_has_shut_is_told_as_that(files: Workspace, guest: Guest) -> None:
    shut = "import os; os.mkdir('d'); open('d/f', 'w').close(); os.chmod('d', 0); os.chmod('.', 0); os._exit(3)"
    ended = await guest.run(shut)
    assert (ended.outcome, ended.exit_code, ended.files) == ("crashed", 3, ())
    for attempt in (
        files.list(),
        files.stat("d"),
        files.size("d/f"),
        files.delete("d"),
        files.write("a", chunks(b"x")),
    ):
        with pytest.raises(PathRefused, match="its permissions do not allow that"):
            await attempt
    await guest.run("import os; os.chmod('/mnt/data', 0o755); os.chmod('/mnt/data/d', 0o755)")
    await files.delete("d")
    assert await files.list() == []


def refusing(errno: str) -> Workspace:
    """A workspace whose agent refuses everything."""

    async def request(do: str, tail: bytes, **arguments: object) -> tuple[dict[str, Any], bytes]:
        raise AgentRefused(errno, f"{do}: no luck")

    return Workspace(request, lambda entry: None, 1)


@pytest.mark.parametrize("errno", ["EIO", "EMFILE", "ENOSYS"])
async def test_what_no_path_can_be_blamed_for_is_the_sandboxs_failure(errno: str) -> None:
    files = refusing(errno)
    for attempt in (files.list(), files.size("a"), files.delete("a"), files.write("a", chunks(b"x"))):
        with pytest.raises(SandboxFailed, match=r"the workspace could not be used for '.*: .* no luck"):
            await attempt


async def test_packages_in_the_workspace_are_not_the_sandboxs_failure() -> None:
    # As an ordinary user, an environment below /home/user can be tried; the mounts in it are refused by the kernel.
    with pytest.raises(PathRefused, match="packages of the environment are in it"):
        await refusing("EBUSY").delete("venv")


async def test_a_file_that_turns_into_a_link_is_not_followed(files: Workspace, guest: Guest) -> None:
    await files.write("a", chunks(b"x" * MIB))
    reader = files.read("a")
    await anext(reader)
    await guest.run("import os; os.remove('a'); os.symlink('/etc/passwd', 'a')")
    with pytest.raises(PathRefused):
        async for chunk in reader:
            assert b"root" not in chunk


async def test_swapping_file_and_link_for_ever_leaks_nothing(engine: Engine, files: Workspace, guest: Guest) -> None:
    code = """
        import os
        print("in", flush=True)
        os.symlink("/etc/passwd", "link"); open("file", "w").close()
        while True:
            os.link("file", "new"); os.rename("new", "a")
            os.symlink("/etc/passwd", "new"); os.rename("new", "a")
    """
    async with engine.start(guest.session, dedent(code)) as running:
        async for event in running.events():
            if event.kind == "stdout":
                for _ in range(300):
                    try:
                        assert await content(files, "a") == b""
                    except (PathRefused, FileMissing):
                        pass
                await running.interrupt()
