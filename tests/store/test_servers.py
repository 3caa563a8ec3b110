"""Several callers, stores and processes on one folder at once, and callers that leave."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from pathlib import Path

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from insitu.store import Page, Store
from tests.store.examples import add, blobs, chunks, container, container_file, content, item, opened, response

COUNT = 40
PAGE = Page(100, None, "asc")

# A server: saves responses, stores a file, and ends as it is told.
SERVER = """
import sys
from pathlib import Path
import anyio
from tests.store.examples import add, item, opened, response

async def forever():
    yield b"x" * 100
    print("ready", flush=True)
    await anyio.sleep_forever()

async def main(folder, name, count, wait):
    async with opened(Path(folder)) as store:
        for number in range(int(count)):
            id = f"{name}{number}"
            items = item(f"i{id}", created=9), item("shared", created=9)
            await store.responses.save(response(id, created=9), items[:1], items[1:])
        await add(store, f"file-{name}", name.encode())
        if wait:
            await store.files.add("never", "ann", "", "", "", None, forever(), 1000)

anyio.run(main, *sys.argv[1:])
"""


def server(folder: Path, name: str, *, wait: bool = False) -> list[str]:
    """The command of a server of its own process."""
    return [sys.executable, "-c", SERVER, str(folder), name, str(COUNT), "wait" if wait else ""]


async def saved(store: Store, name: str) -> None:
    """Make sure that a server has saved all it had to."""
    for number in range(COUNT):
        id = f"{name}{number}"
        assert await store.responses.get(id, "ann") == response(id, created=9)
        assert await store.responses.history(id, "ann") == [item(f"i{id}", created=9), item("shared", created=9)]
    assert await content(await store.files.open(await store.files.get(f"file-{name}", "ann"))) == name.encode()


async def test_servers_that_start_at_once_share_a_new_folder(folder: Path) -> None:
    async with anyio.create_task_group() as tasks:
        for name in ("a", "b", "c"):
            tasks.start_soon(anyio.run_process, server(folder, name))
    async with opened(folder) as store:
        for name in ("a", "b", "c"):
            await saved(store, name)


async def test_a_server_that_is_killed_loses_nothing_that_it_has_saved(folder: Path) -> None:
    async with await anyio.open_process(server(folder, "a", wait=True), stderr=None) as process:
        assert process.stdout is not None
        assert await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 100) == b"ready"
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
    async with opened(folder) as store:
        await saved(store, "a")
        assert [record.id for record in (await store.files.list("ann", PAGE)).data] == ["file-a"]
        assert sorted(path.suffix for path in blobs(folder)) == ["", ".part"]
    for path in blobs(folder):
        os.utime(path, (0, 0))
    async with opened(folder) as store:
        await saved(store, "a")
        assert len(blobs(folder)) == 1


async def test_two_stores_of_one_process_see_each_others_work(store: Store, folder: Path) -> None:
    async with opened(folder) as other:
        await store.responses.save(response("r"), [item("i")], [])
        await other.responses.save(response("s", previous="r"), [item("j")], [])
        assert await store.responses.history("s", "ann") == [item("i"), item("j")]
        record = await add(other, "f", b"x")
    # The end of one leaves the other alone.
    await store.responses.delete("s", "ann")
    assert await content(await store.files.open(record)) == b"x"


async def test_saves_at_the_same_time_all_hold(store: Store, folder: Path) -> None:
    async def save(store: Store, name: str) -> None:
        for number in range(25):
            id = f"{name}{number}"
            await store.responses.save(response(id), [item("shared"), item(f"i{id}")], [item("answer")])

    async with opened(folder) as other, anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(save, (store, other)[number % 2], f"{number}-")
    for number in range(8):
        for each in range(25):
            id = f"{number}-{each}"
            assert await store.responses.history(id, "ann") == [item("shared"), item(f"i{id}"), item("answer")]


async def test_a_path_that_is_put_at_the_same_time_has_one_id(store: Store, folder: Path) -> None:
    await store.containers.save(container("c"))
    ids: set[str] = set()

    async def put(store: Store, id: str) -> None:
        ids.add((await store.containers.put_file(container_file(id, path="same"))).id)

    async with opened(folder) as other, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(put, (store, other)[number % 2], f"f{number}")
    (file,) = (await store.containers.files("c", "ann", PAGE)).data
    assert ids == {file.id}


async def test_a_content_that_is_kept_at_the_same_time_is_one_of_them(store: Store, folder: Path) -> None:
    await store.containers.save(container("c"))
    await store.containers.put_file(container_file("f"))
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(store.containers.keep, "c", "f", "ann", chunks(b"%d" % number * 5), 10)
    kept = await content(await store.containers.open(await store.containers.file("c", "f", "ann")))
    assert kept in [b"%d" % number * 5 for number in range(10)]
    assert len(blobs(folder)) == 1


async def test_a_caller_that_leaves_never_leaves_half_a_transaction(store: Store, folder: Path) -> None:
    holder = sqlite3.connect(folder / "insitu.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")  # so that the save has begun, and waits, when its caller leaves
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.responses.save, response("begun"), [item("i")], [item("o")])
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(store.responses.save, response("not begun"), [item("j")], [])
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        holder.execute("COMMIT")
    holder.close()
    assert await store.responses.history("begun", "ann") == [item("i"), item("o")]
    assert await store.responses.items(["j"], "ann") == {}


async def test_a_writer_holds_up_no_reader(store: Store, folder: Path) -> None:
    await store.responses.save(response("r"), [], [])
    holder = sqlite3.connect(folder / "insitu.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert await store.responses.get("r", "ann") == response("r")  # readers wait for nobody
    holder.execute("COMMIT")
    holder.close()
