"""Sessions from all sides at once: ended while they work, interrupted without end, used after their end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from insitu.client import AsyncClientSession
from insitu.errors import InvalidRequest, OverCeiling, QuotaExceeded
from tests.attacks.asking import ask, assert_agent_serves
from tests.attacks.attack import Layer, attack
from tests.attacks.serving import refusal
from tests.attacks.stand import Stand

MIB = 1 << 20
# What a session's caller may be told once the session is gone; never that the server has failed.
GONE = {"SessionNotFound", "FileMissing", "QuotaExceeded", "went through"}


async def endless() -> AsyncIterator[bytes]:
    """A file that is sent for ever."""
    while True:
        yield bytes(1 << 16)
        await anyio.sleep(0.005)


async def all_at_once(*calls: Callable[[], Awaitable[object]]) -> set[str]:
    """How each of them ends."""
    told: set[str] = set()

    async def make(call: Callable[[], Awaitable[object]]) -> None:
        told.add(await refusal(call()))

    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(make, call)
    return told


async def until_running(session: AsyncClientSession, code: str, then: Callable[[], Awaitable[Any]]) -> None:
    """Run code, and do something once it has begun."""
    async with aclosing(session.stream(f"print('in', flush=True)\n{code}", timeout_s=10)) as events:
        async for event in events:
            if event.kind == "stdout":
                await then()
                return


@attack("end a session in the midst of its code, its uploads and its interrupts", Layer.API)
async def test_a_session_that_ends_while_it_works_fails_nobody(stand: Stand) -> None:
    async with stand.unharmed(10), stand.client() as client, stand.client() as ender:
        for _ in range(3):
            session = await client.session()
            same = await ender.connect(session.id)

            async def end(session: AsyncClientSession = session, same: AsyncClientSession = same) -> None:
                told = await all_at_once(
                    lambda: session.run("1"),
                    lambda: session.files.write("a", bytes(8 * MIB)),
                    lambda: session.files.list("", depth=5),
                    lambda: session.run("while True: pass", timeout_s=5),
                    session.interrupt,
                    same.close,
                    lambda: session.files.delete("a"),
                    lambda: session.files.read("a"),
                )
                assert told <= GONE

            await until_running(session, "while True: pass", end)


@attack("end a session from many sides at once, and go on using it", Layer.API)
async def test_a_session_ends_once(stand: Stand) -> None:
    async with stand.unharmed(), stand.client() as client:
        session = await client.session()
        others = [await client.connect(session.id) for _ in range(8)]
        assert await all_at_once(*(other.close for other in others)) == {"went through"}
        calls = (
            lambda: session.run("1"),
            lambda: session.files.list(),
            lambda: session.files.write("a", b"x"),
            session.interrupt,
            session.info,
            lambda: session.update(ttl_s=10.0),
        )
        assert await all_at_once(*calls) == {"SessionNotFound"}
        await session.close()


@attack("interrupt without end, before, while and after code runs", Layer.HOST)
async def test_a_storm_of_interrupts_hits_what_runs_alone(stand: Stand) -> None:
    async with stand.unharmed(10), stand.client() as client, client.session() as session:
        stop = anyio.Event()

        async def storm() -> None:
            while not stop.is_set():
                await session.interrupt()

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(storm)
            ends = {(await session.run("kept = 1\nimport time\ntime.sleep(0.01)")).outcome for _ in range(15)}
            stop.set()
        assert ends <= {"ok", "cancelled", "error"}
        assert await ask(session, "1") == 1
        await assert_agent_serves(session)


@attack("line up more executions in a session than may wait, and end it", Layer.API)
async def test_a_queue_ends_with_its_session(stand: Stand) -> None:
    async with stand.unharmed(10), stand.client() as client:
        session = await client.session()

        async def crowd() -> None:
            full = anyio.Event()

            async def wait() -> None:
                if (told := await refusal(session.run("1"))) == "QuotaExceeded":
                    full.set()
                assert told in GONE

            async with anyio.create_task_group() as tasks:
                for _ in range(40):
                    tasks.start_soon(wait)
                await full.wait()
                await session.close()

        await until_running(session, "while True: pass", crowd)
        assert (await client.health())["status"] == "ok"


@attack("fill the workspace with files that are never sent to their end", Layer.HOST)
async def test_uploads_that_break_off_leave_nothing(stand: Stand) -> None:
    look = "[os.listdir(), os.statvfs('.').f_bfree * os.statvfs('.').f_bsize >> 20]"
    async with stand.unharmed(10), stand.client() as client, client.session() as session:
        before = await ask(session, look)
        for number in range(10):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(session.files.write, f"file-{number}", endless())
                await anyio.sleep(0.03)
                tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            while await ask(session, look) != before:  # noqa: ASYNC110 - the server notices a moment later
                await anyio.sleep(0.02)


@attack("outlive its session's time by working without end", Layer.CLOCK)
async def test_a_session_ends_on_time_whatever_it_does(stand: Stand) -> None:
    work = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    async with stand.unharmed(10), stand.client() as client:
        session = await client.session(ttl_s=0.5)
        ended = await session.run(work, timeout_s=10)
        assert ended.outcome == "cancelled"
        assert await refusal(session.info()) == "SessionNotFound"


@attack("go on in a session that forks itself away from whatever ends it", Layer.NAMESPACES)
async def test_a_session_that_forks_without_end_ends(stand: Stand) -> None:
    hop = """
import ctypes, os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
libc = ctypes.CDLL(None)
for _ in range(4):
    if os.fork() == 0:
        os.setsid()
        while True:
            if libc.fork(): libc._exit(0)
"""
    async with stand.unharmed(), stand.client() as client, client.session() as session:
        assert (await session.run(hop)).outcome == "ok"
        assert (await session.run("import os; os._exit(0)")).outcome == "crashed"
        # The agent has killed all of them in one step.
        left = "sum(name.isdigit() for name in os.listdir('/proc'))"
        with anyio.fail_after(5):
            while await ask(session, left) > 2:  # noqa: ASYNC110 - the dead go a moment later
                await anyio.sleep(0.02)
        await session.run(hop)


WISHES: dict[str, tuple[Any, ...]] = {
    "memory_bytes": (-1, 0, 1, 1 << 62, 1 << 64, 1.5, "1"),
    "processes": (-1, 0, 1 << 31, 1 << 62, 0.5, True),
    "disk_bytes": (-1, 0, 1, 1 << 62, 1 << 65),
    "cpus": (-1, 0, 1e-300, 1e300, "1"),
    "timeout_s": (-1, 0, 1e300, "x"),
    "output_bytes": (-1, 0, 1 << 62),
    "results_bytes": (-1, 0, 1 << 62),
    "ttl_s": (-1, 0, 1e300),
    "idle_timeout_s": (-1, 0, 1e300),
}


@attack("wish for limits that are negative, nothing, beyond all bounds or no numbers", Layer.API)
async def test_wishes_beyond_reason_are_refused(stand: Stand) -> None:
    async with stand.unharmed(10), stand.client() as client:
        for name, wishes in WISHES.items():
            for wish in wishes:
                with pytest.raises((InvalidRequest, OverCeiling)):
                    await client.session(**{name: wish})


@attack("wish for the smallest sandbox that there can be, and crowd it", Layer.RLIMITS)
async def test_the_smallest_sandbox_is_one(stand: Stand) -> None:
    code = """
import os
for _ in range(9): print("x" * 99)
try: open("big", "wb").write(bytes(1 << 20))
except OSError: 1
"""
    async with (
        stand.unharmed(10),
        stand.client() as client,
        client.session(
            memory_bytes=96 * MIB, processes=1, disk_bytes=64 << 10, output_bytes=1, results_bytes=1
        ) as session,
    ):
        for _ in range(2):
            assert (await session.run(code)).outcome in ("ok", "error", "crashed")
            assert await refusal(session.files.write("more", bytes(1 << 20))) == "WorkspaceFull"
            assert (await session.run("os._exit(0)")).outcome == "crashed"
        assert (await session.run("x = 1")).outcome == "ok"


@attack("use up the sessions that one key may have", Layer.API)
async def test_a_crowd_of_sessions_ends_with_its_owner(stand: Stand) -> None:
    async with stand.unharmed(15), stand.client() as client:
        made: list[AsyncClientSession] = []

        async def make() -> None:
            try:
                made.append(await client.session())
            except QuotaExceeded:
                pass

        async with anyio.create_task_group() as tasks:
            for _ in range(25):
                tasks.start_soon(make)
        assert len(made) == 25
        await all_at_once(*(session.close for session in made))
