from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from insitu.errors import EngineClosed, StoreFailed
from tests.store.examples import (
    add,
    blobs,
    chunks,
    container,
    container_file,
    content,
    conversation,
    item,
    opened,
    response,
)

not_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


async def refused(folder: Path) -> StoreFailed:
    """Why a folder cannot be opened."""
    with pytest.raises(StoreFailed) as failed:
        async with opened(folder):
            pass
    assert str(folder) in failed.value.message
    assert "data_dir" in str(failed.value.hint)
    return failed.value


async def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    async with opened(folder):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    private = dict.fromkeys(("insitu.db", "insitu.db-shm", "insitu.db-wal"), 0o600)
    assert modes == {"b": 0o700, "blobs": 0o700, "servers": 0o700, **private}


@pytest.mark.parametrize("name", ["a b", "?x=1&y", "#", "%20", "ü", "file:x", ":memory:"])
async def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    for _ in range(2):
        async with opened(tmp_path / name) as store:
            await store.responses.save(response("r"), [], [])
    assert (tmp_path / name / "insitu.db").stat().st_size > 0


async def test_everything_is_there_again_after_a_restart(folder: Path) -> None:
    async with opened(folder) as store:
        await store.responses.save(response("r"), [item("i", text="q")], [item("o", sandbox="s")])
        await store.conversations.create(conversation("conv"), [item("i")])
        await store.containers.save(container("c"))
        await store.containers.put_file(container_file("f", path="a/b"))
        record = await add(store, "file", b"bytes")
    async with opened(folder) as store:
        assert await store.responses.get("r", "ann") == response("r")
        assert await store.responses.history("r", "ann") == [item("i", text="q"), item("o", sandbox="s")]
        assert await store.conversations.all_items("conv", "ann") == [item("i", text="q")]
        assert await store.containers.get("c", "ann") == container("c")
        assert await store.containers.files_at("c", "ann", ["a/b"]) == {"a/b": container_file("f", path="a/b")}
        assert await content(await store.files.open(await store.files.get("file", "ann"))) == b"bytes"
        assert await store.files.get("file", "ann") == record


async def test_a_closed_store_is_not_used(folder: Path) -> None:
    async with opened(folder) as store:
        pass
    with pytest.raises(EngineClosed, match="the store is closed"):
        await store.responses.save(response("r"), [], [])
    assert not (folder / "insitu.db-wal").exists()


async def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("mine", "utf-8")
    assert "exists" in (await refused(tmp_path / "data")).message
    assert "Not a directory" in (await refused(tmp_path / "data" / "below")).message
    assert (tmp_path / "data").read_text("utf-8") == "mine"


async def test_a_folder_that_cannot_be_made() -> None:
    failed = await refused(Path("/proc/insitu"))
    assert failed.hint == (
        "see that it is a folder which can be read and written, or name another folder by the setting data_dir"
    )


@not_root
async def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    folder.mkdir(0o500)
    assert "Permission denied" in (await refused(folder)).message


@not_root
async def test_a_database_that_cannot_be_written(folder: Path) -> None:
    async with opened(folder):
        pass
    (folder / "insitu.db").chmod(0o400)
    assert "readonly" in (await refused(folder)).message


@pytest.mark.parametrize(
    ("schema", "message", "hint"),
    [
        (99, "has schema 99; this insitu knows 4", "update insitu"),
        (3, "has schema 3, of before the first release", "move the folder away"),
    ],
)
async def test_another_schema_is_left_alone(folder: Path, schema: int, message: str, hint: str) -> None:
    async with opened(folder):
        pass
    database = sqlite3.connect(folder / "insitu.db")
    database.execute(f"PRAGMA user_version = {schema}")
    database.close()
    failed = await refused(folder)
    assert message in failed.message
    assert hint in str(failed.hint)


async def test_someone_elses_database_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    database = sqlite3.connect(folder / "insitu.db")
    database.execute("CREATE TABLE items (mine)")
    database.close()
    assert "items already exists" in (await refused(folder)).message


@pytest.mark.parametrize("kept", [0, 50, 5000])
async def test_a_damaged_database_is_told(folder: Path, kept: int) -> None:
    async with opened(folder) as store:
        await store.responses.save(response("r"), [item("i", text="x" * 100_000)], [])
    path = folder / "insitu.db"
    path.write_bytes(path.read_bytes()[:kept] + os.urandom(200 if kept < 100 else 0))
    failed = await refused(folder)
    assert "not a database" in failed.message or "malformed" in failed.message
    assert "move it away" in str(failed.hint)


async def test_damage_that_shows_later_is_told(folder: Path) -> None:
    async with opened(folder) as store:
        for number in range(100):
            await store.responses.save(response(f"r{number}"), [item(f"i{number}", text="x" * 3000)], [])
    path = folder / "insitu.db"
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    path.write_bytes(data)
    async with opened(folder) as store:
        with pytest.raises(StoreFailed, match="malformed") as failed:
            await store.responses.items([f"i{number}" for number in range(100)], "ann")
        assert str(folder) in failed.value.message
        assert "move it away" in str(failed.value.hint)


async def test_what_a_crash_left_behind_is_deleted_when_it_is_old(folder: Path) -> None:
    async with opened(folder) as store:
        await add(store, "f", b"kept")
        await store.containers.save(container("c"))
        await store.containers.put_file(container_file("g"))
        await store.containers.keep("c", "g", "ann", chunks(b"kept too"), 10)
    wanted = blobs(folder)
    for path in wanted:
        os.utime(path, (0, 0))
    left = [folder / "blobs" / "ab" / name for name in ("ab" * 16, "ab" * 16 + ".part", "ab" * 15 + "cd")]
    left[0].parent.mkdir(exist_ok=True)
    for path in left:
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    os.utime(left[2])  # perhaps another server is about to record it
    (folder / "blobs" / "README").write_text("not ours", "utf-8")
    async with opened(folder) as store:
        assert set(blobs(folder)) == {*wanted, left[2], folder / "blobs" / "README"}
        assert await content(await store.files.open(await store.files.get("f", "ann"))) == b"kept"
