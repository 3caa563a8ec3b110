"""What a stream of many answers holds while its client does not read."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import pytest

from insitu.dialects.native.gathering import Ahead
from insitu.errors import ServerFull
from insitu.web.bodies import Bodies, Body


async def test_what_nobody_reads_is_bounded_by_its_bytes() -> None:
    ahead = Ahead(Body(Bodies()), 1000)
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
    ahead = Ahead(Body(Bodies()), 1000)
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
    ahead = Ahead(Body(Bodies()), 1000)
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
    ahead = Ahead(Body(Bodies()))
    for number in range(count):
        await ahead.put(b"%d" % number, "ok")
    ahead.close()
    assert [part async for part, _ in ahead.read()] == [b"%d" % number for number in range(count)]


async def test_what_nobody_reads_is_held_by_the_request() -> None:
    bodies = Bodies()
    bodies.most = 700_000
    ahead = Ahead(Body(bodies), 150_000)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(ahead.put, b"x" * 150_000, "ok")
        await anyio.wait_all_tasks_blocked()
        assert (ahead.size, bodies.held) == (150_000, 600_000)  # with those that wait
        with pytest.raises(ServerFull, match="the requests under way hold 600000 bytes"):
            await ahead.put(b"x" * 150_000, "ok")
        async with aclosing(ahead.read()) as parts:
            await anext(parts)
            await anext(parts)
            assert bodies.held == 450_000
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert bodies.held == ahead.size
