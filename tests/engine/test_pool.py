"""The pool of sandboxes, and the bounds of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from insitu.engine import Engine
from insitu.errors import EngineClosed, InvalidRequest, QuotaExceeded, SandboxFailed, ServerFull
from tests.support.guest import SMALL, chunks
from tests.support.waiting import eventually

SIZE = 2
SLEEP = "import time; time.sleep(1000)"


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[Engine]:
    update = {"pool_size": SIZE, "max_executions": 2, "queue_size": 1, "max_sessions": 6, "max_sessions_per_owner": 3}
    async with Engine(SMALL.model_copy(update=update)) as engine:
        yield engine


@pytest.fixture(autouse=True)
async def quiet(engine: Engine) -> None:
    """What the test before has started is gone: an execution counts until its sandbox does."""
    await eventually(lambda: engine.load["executions"] == 0)


async def test_the_pool_fills_and_refills(engine: Engine) -> None:
    await eventually(lambda: engine.ready)
    assert engine.load["pool_ready"] == SIZE
    session = await engine.create_session()
    await eventually(lambda: engine.load["pool_ready"] == SIZE)
    assert engine.load["sandboxes"] == SIZE + 1
    await engine.end_session(session)
    assert engine.load["sandboxes"] == SIZE


async def test_the_pool_never_grows_past_its_bound(engine: Engine) -> None:
    most = 0

    async def run() -> None:
        nonlocal most
        assert (await engine.run(None, "1 + 1")).text == "2"
        most = max(most, engine.load["pool_ready"])

    for _ in range(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            tasks.start_soon(run)
        await eventually(lambda: engine.load["executions"] == 0)
    await eventually(lambda: engine.load["pool_ready"] == SIZE)
    assert most <= SIZE
    await eventually(lambda: engine.load["sandboxes"] == SIZE)


async def test_other_limits_do_not_take_from_the_pool(engine: Engine) -> None:
    await eventually(lambda: engine.load["pool_ready"] == SIZE)
    session = await engine.create_session(limits=replace(SMALL.limits(), processes=10))
    assert engine.load["pool_ready"] == SIZE
    assert session.limits.processes == 10
    await engine.end_session(session)


async def test_sandboxes_from_the_pool_differ(engine: Engine) -> None:
    code = "import random, os, numpy; [random.random(), numpy.random.rand(), os.readlink('/proc/self/ns/pid')]"
    seen = [(await engine.run(None, code)).text for _ in range(4)]
    assert len(set(seen)) == 4


async def test_a_full_queue_refuses_the_next(engine: Engine) -> None:
    async with engine.start(None, SLEEP), engine.start(None, SLEEP), engine.start(None, SLEEP):
        with pytest.raises(ServerFull, match="3 executions run or wait, and 3 is the most") as caught:
            await engine.run(None, "1")
        assert caught.value.retry_after_s > 0
        assert engine.load["executions"] == 3
    await eventually(lambda: engine.load["executions"] == 0)
    assert (await engine.run(None, "1")).outcome == "ok"


async def test_who_waits_for_a_session_takes_no_ones_slot(engine: Engine) -> None:
    session = await engine.create_session()
    async with engine.start(session, SLEEP) as first, engine.start(session, "1"):
        await anext(first.events())
        assert (await engine.run(None, "1")).outcome == "ok"
    await engine.end_session(session)
    await eventually(lambda: engine.load["executions"] == 0)


async def test_sessions_are_bounded_for_each_and_for_all(engine: Engine) -> None:
    sessions = [await engine.create_session(owner="one") for _ in range(3)]
    with pytest.raises(QuotaExceeded, match="you have 3 sessions, the most for one key"):
        await engine.create_session(owner="one")
    sessions += [await engine.create_session(owner="two") for _ in range(3)]
    with pytest.raises(ServerFull, match="6 sessions are alive, and 6 is the most"):
        await engine.create_session(owner="three")
    for session in sessions:
        await engine.end_session(session)
    assert engine.load["sessions"] == 0


async def test_a_session_that_could_not_be_made_takes_no_ones_room(engine: Engine) -> None:
    for _ in range(4):
        with pytest.raises(InvalidRequest, match="there is no environment 'nowhere'"):
            await engine.create_session(owner="one", environment="nowhere")
    sessions = [await engine.create_session(owner="one") for _ in range(3)]
    for session in sessions:
        await engine.end_session(session)
        await engine.end_session(session)
    assert engine.load["sandboxes"] == engine.load["pool_ready"]


async def test_a_drained_engine_takes_nothing_new_and_finishes_what_runs() -> None:
    async with Engine(SMALL) as engine:
        code = "import os, time\nprint('in', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.005)"
        session = await engine.create_session()
        async with engine.start(session, code) as running, anyio.create_task_group() as tasks:
            tasks.start_soon(engine.drain, 30)
            async for event in running.events():
                if event.kind == "stdout":
                    with pytest.raises(ServerFull, match="the server is stopping"):
                        await engine.run(None, "1")
                    assert engine.ready is False
                    await session.files.write("go", chunks())
            assert (await running.result()).outcome == "ok"


async def test_draining_has_a_bound() -> None:
    async with Engine(SMALL) as engine:
        async with engine.start(None, SLEEP) as running:
            await anext(running.events())
            await engine.drain(0.05)
            assert not running.done


async def test_an_engine_that_is_closed_says_so() -> None:
    engine = Engine(SMALL)
    with pytest.raises(EngineClosed):
        await engine.run(None, "1")
    async with engine:
        session = await engine.create_session()
        async with engine.start(session, SLEEP, background=True) as running:
            await anext(running.events())
    with pytest.raises((EngineClosed, SandboxFailed), match="the engine was closed"):
        await running.result()
    with pytest.raises(EngineClosed):
        await engine.create_session()
