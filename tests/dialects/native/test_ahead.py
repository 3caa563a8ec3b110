"""What a stream of many answers holds while its client does not read."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import pytest

from insitu.dialects.native.gathering import Ahead


async def test_what_nobody_reads_is_bounded_by_its_bytes() -> None:
    ahead = Ahead(1000)
    told: list[int] = []

    async def tell(number: int) -> None:
        await ahead.put(b"x" * 400, "ok")
        told.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(tell, number)
        await anyio.wait_all_tasks_blocked()
        assert (told, ahead.size) == ([0, 1], 800)
        tasks.cancel_scope.cancel()


async def test_what_is_larger_than_all_room_is_let_in_alone() -> None:
    ahead = Ahead(1000)
    sizes = [10, 5000, 10, 990, 3000, 3000]
    held: list[int] = []
    read: list[int] = []

    async def tell() -> None:
        for size in sizes:
            await ahead.put(b"x" * size, "ok")
        ahead.close()

    async with anyio.create_task_group() as tasks, aclosing(ahead.read()) as parts:
        tasks.start_soon(tell)
        async for part, _ in parts:
            await anyio.wait_all_tasks_blocked()
            held.append(ahead.size)
            read.append(len(part))
    assert read == sizes
    assert held == [10, 5000, 1000, 990, 3000, 3000]
    assert ahead.size == 0


async def test_nobody_overtakes_what_waits_for_room() -> None:
    ahead = Ahead(1000)
    read: list[int] = []
    async with anyio.create_task_group() as tasks:
        for size in (600, 2000, 100):
            tasks.start_soon(ahead.put, b"x" * size, "ok")
            await anyio.wait_all_tasks_blocked()
        assert ahead.size == 600

        async def read_all() -> None:
            async for part, _ in ahead.read():
                read.append(len(part))

        tasks.start_soon(read_all)
        await anyio.wait_all_tasks_blocked()
        ahead.close()
    assert read == [600, 2000, 100]


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_what_was_told_before_the_end_is_read(count: int) -> None:
    ahead = Ahead()
    for number in range(count):
        await ahead.put(b"%d" % number, "ok")
    ahead.close()
    assert [part async for part, _ in ahead.read()] == [b"%d" % number for number in range(count)]
