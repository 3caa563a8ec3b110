from __future__ import annotations

import os
import stat
import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import cast

import anyio
import pytest

from insitu.errors import InvalidRequest, NotFound, QuotaExceeded, StoreFailed, TooLarge
from insitu.store import FileDetails, FileRecord, Page, Store
from insitu.types import MIB
from tests.store.examples import QUOTA, add, blobs, content, opened

PAGE = Page(10, None, "asc")


async def test_a_file_comes_back_as_it_was_sent(store: Store) -> None:
    before = time.time()
    record = await add(store, "file-1", b"a,b\n", b"", b"1,2\n")
    assert record == FileRecord(
        "file-1", "ann", record.created, "file-1.csv", 8, "user_data", "text/csv", None, record.blob
    )
    assert before <= record.created <= time.time()
    assert await store.files.get("file-1", "ann") == record
    stored = await store.files.open(record)
    assert stored.size == 8
    assert await content(stored) == b"a,b\n1,2\n"


async def test_what_is_said_of_a_file_may_come_behind_it(store: Store, folder: Path) -> None:
    came: list[bytes] = []

    async def form() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b"):
            came.append(piece)
            yield piece

    def describe() -> FileDetails:
        return FileDetails(b"".join(came).decode(), "vision", "image/png", None)

    def refuse() -> FileDetails:
        raise InvalidRequest("purpose: it is not one of them")

    record = await store.files.receive("f", "ann", form(), 2, describe)
    assert (record.filename, record.size, record.purpose, record.mime) == ("ab", 2, "vision", "image/png")
    with pytest.raises(InvalidRequest, match="purpose"):
        await store.files.receive("g", "ann", form(), 2, refuse)
    assert [path.name for path in blobs(folder)] == [record.blob]


async def test_some_files_are_found_at_once_the_latest_first(store: Store) -> None:
    first, second = await add(store, "first", b"1"), await add(store, "second", b"2")
    await add(store, "third", b"3")
    asked = ["first", "none", "second", "first", *map(str, range(1000))]
    assert await store.files.some(asked, "ann") == [second, first]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs", "a\0b", "", "x" * 5000, "ü\n.csv"])
async def test_names_are_kept_and_never_become_paths(store: Store, folder: Path, name: str) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield

    await store.files.add(name, "ann", name, name, name, None, nothing(), 0)
    assert (await store.files.get(name, "ann")).filename == name
    (blob,) = blobs(folder)
    assert blob.relative_to(folder / "blobs").parts == (blob.name[:2], blob.name)
    assert int(blob.name, 16) < 1 << 128


async def test_content_is_the_owners_of_the_process_alone(store: Store, folder: Path) -> None:
    await add(store, "f", b"x")
    (blob,) = blobs(folder)
    assert stat.S_IMODE(blob.stat().st_mode) == 0o600
    assert stat.S_IMODE(blob.parent.stat().st_mode) == 0o700


async def test_ranges_of_a_large_file(tmp_path: Path) -> None:
    data = os.urandom(3 * MIB + 12345)
    async with opened(tmp_path, limit=len(data)) as store:
        pieces = [data[start : start + 100_000] for start in range(0, len(data), 100_000)]
        stored = await store.files.open(await add(store, "f", *pieces, max_bytes=len(data)))
        assert stored.size == len(data)
        for start, end in ((0, None), (0, 1), (5, 5), (MIB - 1, MIB + 1), (len(data) - 3, len(data) + 9), (9**9, None)):
            assert await content(stored, start, end) == data[start:end]
        assert {len(chunk) async for chunk in stored.read(0, MIB)} == {256 * 1024}


async def test_files_are_listed_by_purpose(store: Store) -> None:
    for id in ("a", "b"):
        await add(store, id)
    assert [record.id for record in (await store.files.list("ann", PAGE, "user_data")).data] == ["a", "b"]
    assert (await store.files.list("ann", PAGE, "vision")).data == []


async def test_a_file_that_has_expired_is_gone(store: Store) -> None:
    await add(store, "past", b"x", expires=time.time())
    record = await add(store, "future", b"x", expires=time.time() + 3600)
    assert (await store.files.list("ann", PAGE)).data == [record]
    for lookup in (store.files.get, store.files.delete):
        with pytest.raises(NotFound, match=r"^there is no file 'past'\n"):
            await lookup("past", "ann")


async def test_too_many_bytes_leave_nothing(store: Store, folder: Path) -> None:
    assert (await add(store, "fits", b"12345", max_bytes=5)).size == 5
    with pytest.raises(TooLarge, match="the file has more than 5 bytes"):
        await add(store, "f", b"12345", b"6", max_bytes=5)
    assert len(blobs(folder)) == 1
    with pytest.raises(NotFound):
        await store.files.get("f", "ann")


async def test_an_owners_share_is_the_owners_own(store: Store, folder: Path) -> None:
    await add(store, "f", b"x" * 600_000, max_bytes=QUOTA)
    with pytest.raises(QuotaExceeded, match="would have 1000512 bytes; 1000000 are allowed"):
        await add(store, "g", b"x" * 400_000, max_bytes=QUOTA)
    await add(store, "f", b"x" * 900_000, owner="bob", max_bytes=QUOTA)
    await add(store, "g", b"x" * 300_000, max_bytes=QUOTA)
    await store.files.delete("f", "ann")
    await add(store, "h", b"x" * 600_000, max_bytes=QUOTA)
    assert len(blobs(folder)) == 3


async def test_uploads_at_the_same_time_share_what_is_left(store: Store, folder: Path) -> None:
    first_is_half_there, second_is_refused = anyio.Event(), anyio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 600_000
        first_is_half_there.set()
        await second_is_refused.wait()
        yield b"x" * 400_000

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.files.add, "slow", "ann", "", "", "", None, slow(), QUOTA)
        await first_is_half_there.wait()
        with pytest.raises(QuotaExceeded, match="would have 1000001 bytes"):
            await add(store, "quick", b"x" * 400_001, max_bytes=QUOTA)
        second_is_refused.set()
    assert (await store.files.get("slow", "ann")).size == QUOTA
    assert len(blobs(folder)) == 1


async def test_two_servers_do_not_store_more_together(store: Store, folder: Path) -> None:
    async def overtaken() -> AsyncIterator[bytes]:
        yield b"x" * 600_000
        await add(other, "quick", b"x" * 600_000, max_bytes=QUOTA)

    async with opened(folder) as other:
        with pytest.raises(QuotaExceeded, match="would have 1200512 bytes"):
            await store.files.add("slow", "ann", "", "", "", None, overtaken(), QUOTA)
    assert [record.id for record in (await store.files.list("ann", PAGE)).data] == ["quick"]
    assert len(blobs(folder)) == 1


async def test_a_cancelled_upload_leaves_nothing(store: Store, folder: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 400
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        await store.files.add("f", "ann", "", "", "", None, endless(), 1000)
    assert scope.cancelled_caught
    assert blobs(folder) == []
    assert (await store.files.list("ann", PAGE)).data == []
    await add(store, "g", b"x" * 1000)  # its bytes do not count any more


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        assert [path.stat().st_size for path in blobs(tmp_path)] == [MIB]
        raise ConnectionError

    async with opened(tmp_path, limit=2 * MIB) as store:
        with pytest.raises(ConnectionError):
            await store.files.add("f", "ann", "", "", "", None, broken(), 2 * MIB)
        assert blobs(tmp_path) == []


async def test_an_upload_whose_record_is_refused_leaves_nothing(store: Store, folder: Path) -> None:
    await add(store, "f", b"x")
    before = blobs(folder)
    with pytest.raises(Exception, match="UNIQUE constraint failed"):
        await add(store, "f", b"y")
    assert blobs(folder) == before
    assert await content(await store.files.open(await store.files.get("f", "ann"))) == b"x"


async def test_a_deleted_file_is_read_to_its_end(tmp_path: Path) -> None:
    data = os.urandom(MIB)
    async with opened(tmp_path, limit=MIB) as store:
        stored = await store.files.open(await add(store, "f", data, max_bytes=MIB))
        reader = stored.read()
        read = await anext(reader)
        await store.files.delete("f", "ann")
        assert blobs(tmp_path) == []
        async for chunk in reader:
            read += chunk
        assert read == data
        with pytest.raises(NotFound, match="the content of this file is gone"):
            await content(stored)


async def test_a_reader_that_leaves_holds_nothing_open(store: Store) -> None:
    stored = await store.files.open(await add(store, "f", b"x"))
    before = os.listdir("/proc/self/fd")
    reader = cast("AsyncGenerator[bytes, None]", stored.read())
    await anext(reader)
    await reader.aclose()
    assert os.listdir("/proc/self/fd") == before


async def test_content_that_is_not_whole_or_is_no_file_is_not_served(store: Store, folder: Path) -> None:
    record = await add(store, "f", b"whole")
    (blob,) = blobs(folder)
    blob.write_bytes(b"who")
    with pytest.raises(NotFound, match="the content of this file is gone"):
        await store.files.open(record)
    blob.unlink()
    blob.symlink_to("/etc/passwd")
    with pytest.raises(NotFound):
        await store.files.open(record)
    blob.unlink()
    with pytest.raises(NotFound):
        await store.files.open(record)


async def test_a_link_in_the_place_of_content_is_not_followed(store: Store, folder: Path) -> None:
    stored = await store.files.open(await add(store, "f", b"x"))
    (blob,) = blobs(folder)
    blob.unlink()
    blob.symlink_to("/etc/passwd")
    with pytest.raises(NotFound):
        await content(stored)


async def test_a_folder_that_vanishes_is_told(store: Store, folder: Path) -> None:
    (folder / "blobs").rename(folder / "elsewhere")
    with pytest.raises(StoreFailed, match="No such file or directory") as failed:
        await add(store, "f", b"x")
    assert str(folder) in failed.value.message
    assert "data_dir" in str(failed.value.hint)
