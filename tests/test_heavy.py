"""Heavy work leaves the event loop to everybody else."""

from __future__ import annotations

import base64
import threading

import anyio
import pytest

from insitu.heavy import _SLICE, SMALL_BYTES, _Threads, decoded, encoded, heavy


async def test_only_what_is_large_has_a_thread() -> None:
    here = threading.get_ident()
    assert await heavy(SMALL_BYTES, threading.get_ident) == here
    assert await heavy(SMALL_BYTES + 1, threading.get_ident) != here


async def test_few_work_at_once_and_the_others_wait() -> None:
    begun, go = threading.Semaphore(0), threading.Event()
    ended: list[bool] = []

    def work() -> bool:
        begun.release()
        return go.wait(30)

    async def ask() -> None:
        ended.append(await heavy(SMALL_BYTES + 1, work))

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        assert await anyio.to_thread.run_sync(lambda: begun.acquire(timeout=30) and begun.acquire(timeout=30))
        assert not begun.acquire(blocking=False)
        go.set()
    assert ended == [True] * 5


@pytest.mark.parametrize("size", [0, 1, 2, 3, _SLICE * 3 // 4 - 1, _SLICE * 3 // 4, _SLICE * 3 // 4 + 1, 2 * _SLICE])
def test_base64_is_read_and_written_as_a_whole(size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    text = base64.b64encode(content).decode()
    assert (decoded(text), encoded(content)) == (content, text)


@pytest.mark.parametrize(
    "text", ["a", "ab", "a=b=", "YWI=YWI=", "YW Jj", "é" * 4, f"{'A' * (_SLICE - 2)}==YWJj", "A" * (_SLICE + 1)]
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding|ASCII"):
        decoded(text)


async def begun_by(*owners: str) -> list[str]:
    """In which order those begin who ask for a thread in this order."""
    threads, go, begun = _Threads(), anyio.Event(), list[str]()

    async def ask(owner: str) -> None:
        async with threads.place(owner):
            begun.append(owner)
            await go.wait()

    async with anyio.create_task_group() as tasks:
        for owner in owners:
            tasks.start_soon(ask, owner)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert (threads._free, threads._waiting) == (2, {})
    return begun


async def test_who_has_much_to_do_leaves_the_next_thread_to_others() -> None:
    assert await begun_by(*["ann"] * 6, "bob", "bob", "cid") == [
        *["ann", "ann"],
        *["ann", "bob", "cid"],
        *["ann", "bob"],
        *["ann", "ann"],
    ]


async def test_who_no_longer_waits_takes_no_turn() -> None:
    threads, begun = _Threads(), list[str]()

    async def ask(owner: str) -> None:
        async with threads.place(owner):
            begun.append(owner)

    async with anyio.create_task_group() as tasks, anyio.create_task_group() as leaving:
        async with threads.place("ann"), threads.place("ann"):
            leaving.start_soon(ask, "bob")
            tasks.start_soon(ask, "cid")
            await anyio.wait_all_tasks_blocked()
            leaving.cancel_scope.cancel()
    assert (begun, threads._free, threads._waiting) == (["cid"], 2, {})
