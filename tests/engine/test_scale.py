"""Many sessions and many executions; afterwards nothing is left of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from insitu.engine import Engine, Session
from tests.support.footprint import Footprint
from tests.support.guest import SMALL, chunks, content

pytestmark = [pytest.mark.serial, pytest.mark.timeout(180)]

SESSIONS, EXECUTIONS, CONCURRENCY = 300, 2000, 32


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    before = Footprint.take()
    async with Engine(SMALL) as engine:
        yield engine
    await before.assert_nothing_left()


async def test_many_sessions_are_alive_at_once_each_with_its_own(engine: Engine) -> None:
    await engine.run(None, "1")
    before = Footprint.take()
    sessions: dict[int, Session] = {}
    limit = anyio.CapacityLimiter(CONCURRENCY)

    async def begin(number: int) -> None:
        async with limit:
            sessions[number] = session = await engine.create_session(owner=str(number % 7))
            assert (await engine.run(session, f"mine = {number}")).outcome == "ok"
            await session.files.write("mine", chunks(str(number).encode()))

    async def check(number: int) -> None:
        async with limit:
            execution = await engine.run(sessions[number], "[mine, int(open('mine').read())]")
            assert execution.text == f"[{number}, {number}]"
            assert await content(sessions[number].files, "mine") == str(number).encode()

    for step in (begin, check):
        async with anyio.create_task_group() as tasks:
            for number in range(SESSIONS):
                tasks.start_soon(step, number)
    assert engine.load["sessions"] == engine.load["sandboxes"] == SESSIONS
    async with anyio.create_task_group() as tasks:
        for session in sessions.values():
            tasks.start_soon(engine.end_session, session)
    await before.assert_nothing_left()


async def test_many_executions_at_once_and_none_fails(engine: Engine) -> None:
    await engine.run(None, "1")
    before = Footprint.take()
    numbers = iter(range(EXECUTIONS))
    answers: list[int] = []

    async def work() -> None:
        for number in numbers:
            execution = await engine.run(None, f"print({number}); {number} + 1")
            assert (execution.outcome, execution.stdout) == ("ok", f"{number}\n"), execution
            assert execution.result is not None
            answers.append(int(execution.result.text or ""))

    async with anyio.create_task_group() as tasks:
        for _ in range(CONCURRENCY):
            tasks.start_soon(work)
    assert sorted(answers) == list(range(1, EXECUTIONS + 1))
    await before.assert_nothing_left()


async def test_every_way_to_end_leaves_nothing(engine: Engine) -> None:
    await engine.run(None, "1")
    before = Footprint.take()
    ends = [
        "1",
        "1 / 0",
        "import os; os._exit(1)",
        "import os; os.abort()",
        "import os; os.close(3)",
        "while True: pass",
        "import signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass",
        "import os\nfor _ in range(20): os.fork()",
        "import subprocess\nfor _ in range(9): subprocess.Popen(['sleep', '1000'], start_new_session=True)",
        "import ctypes; ctypes.string_at(0)",
    ]
    async with anyio.create_task_group() as tasks:
        for code in ends:
            tasks.start_soon(_run_and_end, engine, code)
    await before.assert_nothing_left()


async def _run_and_end(engine: Engine, code: str) -> None:
    session = await engine.create_session()
    await engine.run(session, code, timeout_s=0.5)
    await engine.end_session(session)
    await engine.run(None, code, timeout_s=0.5)
