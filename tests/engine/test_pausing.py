"""Executions that wait for their client: clocks that stand still, and places that others have meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from insitu.engine import Engine, Session
from insitu.errors import EngineClosed, InsituError, NotFound, SandboxFailed
from insitu.types import Execution
from tests.support.calling import calling, perform
from tests.support.guest import SMALL, Guest
from tests.support.waiting import eventually

ONE = SMALL.model_copy(update={"max_executions": 1, "tool_wait_s": 60.0})
IMPATIENT = ONE.model_copy(update={"tool_wait_s": 0.4})


def free(engine: Engine) -> int:
    """How many executions could begin to run now."""
    return engine.settings.max_executions - engine._admission.running


def waiting(engine: Engine) -> int:
    """How many wait for a place among those that run."""
    return len(engine._admission._slots._waiting)


@pytest.fixture(scope="module")
async def narrow() -> AsyncIterator[Engine]:
    """An engine with room for one execution."""
    async with Engine(ONE) as engine:
        yield engine


@pytest.fixture(scope="module")
async def impatient() -> AsyncIterator[Engine]:
    """The same, where clients have little time."""
    async with Engine(IMPATIENT) as engine:
        yield engine


@asynccontextmanager
async def sessions(engine: Engine, count: int) -> AsyncIterator[list[Session]]:
    """Sessions; when they have ended nothing of theirs holds a place."""
    made = [await engine.create_session() for _ in range(count)]
    yield made
    for session in made:
        await engine.end_session(session)
    await eventually(lambda: engine.load["executions"] == engine.load["paused"] == 0)
    assert free(engine) == engine.settings.max_executions


async def outlast(engine: Engine, timeout_s: float) -> None:
    """Let so much time pass that an execution has been stopped after it."""
    execution = await engine.run(None, "while True: pass", timeout_s=timeout_s)
    assert execution.outcome == "timeout"


async def test_the_clock_stands_still_while_it_waits(engine: Engine, guest: Guest) -> None:
    async with calling(engine, guest.session, "tools.ask(x=1)", timeout_s=0.6) as caller:
        call, _ = await caller.call()
        assert caller.running.paused
        await outlast(engine, 0.6)
        assert caller.running.paused
        await caller.answer(call, 5)
        execution = await caller.result()
    assert (execution.outcome, execution.text) == ("ok", "5")


async def test_the_clock_goes_on_with_what_was_left(engine: Engine, guest: Guest) -> None:
    code = """
    import time
    asked = 0
    while asked < 50:
        begun = time.monotonic()
        while time.monotonic() - begun < 0.1: pass
        asked += 1
        tools.ask()
    """
    execution = await perform(engine, guest.session, code, timeout_s=0.5)
    assert (execution.outcome, execution.state_kept) == ("timeout", True)
    assert (await guest.run("asked <= 5")).text == "True"


async def test_it_stands_still_until_the_last_answer(engine: Engine, guest: Guest) -> None:
    code = "import asyncio\nawait asyncio.gather(*(tools.ask.aio(x=x) for x in range(3)))"
    async with calling(engine, guest.session, code, timeout_s=0.6) as caller:
        calls = await caller.calls(3)
        for x in (2, 0, 1):
            await outlast(engine, 0.3)
            assert caller.running.paused
            await caller.answer(calls[x], x)
        assert not caller.running.paused
        assert (await caller.result()).text == "[0, 1, 2]"


async def test_it_stands_still_again_and_again(engine: Engine, guest: Guest) -> None:
    async with calling(engine, guest.session, "for n in range(3): tools.ask(x=n)", timeout_s=0.6) as caller:
        for n in range(3):
            call, x = await caller.call()
            assert x == n
            await outlast(engine, 0.25)
            await caller.answer(call)
        assert (await caller.result()).outcome == "ok"


async def test_a_call_of_the_servers_own_does_not_stop_the_clock(engine: Engine, guest: Guest) -> None:
    async with calling(engine, guest.session, "tools.echo()", timeout_s=0.5) as caller:
        await caller.call()
        assert not caller.running.paused
        assert (await caller.result()).outcome == "timeout"


async def test_what_is_not_answered_in_time_is_a_timeout_in_the_code(impatient: Engine) -> None:
    code = """
    try:
        tools.ask()
    except TimeoutError as error:
        print(isinstance(error, tools.Error), error)
    while True: pass
    """
    async with sessions(impatient, 1) as (session,):
        async with calling(impatient, session, code, timeout_s=0.6) as caller:
            call, _ = await caller.call()
            execution = await caller.result()
            with pytest.raises(NotFound):
                await caller.answer(call)
        assert (execution.stdout, execution.outcome) == ("True nobody answered within 0.4 s\n", "timeout")
        assert (execution.state_kept, free(impatient)) == (True, 1)


async def test_each_call_has_its_own_time(impatient: Engine) -> None:
    code = """
    import threading
    def ask(x):
        try: tools.ask(x=x)
        except TimeoutError: display(x)
    threads = [threading.Thread(target=ask, args=[x]) for x in (1, 2)]
    threads[0].start()
    tools.echo(x=0)
    threads[1].start()
    for thread in threads: thread.join()
    """
    async with sessions(impatient, 1) as (session,), calling(impatient, session, code, timeout_s=5) as caller:
        calls = await caller.calls(2)
        await outlast(impatient, IMPATIENT.tool_wait_s * 0.4)
        await caller.answer(calls[0])
        assert (await caller.result()).outcome == "ok"
        kinds = [event.kind for event in caller.running.log.entries if event.kind in ("tool_result", "result")]
    # The second was given up when its own time was over, and not with the first.
    assert kinds == ["tool_result", "tool_result", "result", "tool_result", "result"]


async def test_a_stop_ends_the_pause(narrow: Engine) -> None:
    async with sessions(narrow, 1) as (session,):
        async with calling(narrow, session, "kept = 5\ntools.ask()") as caller:
            call, _ = await caller.call()
            await caller.running.interrupt()
            execution = await caller.result()
            assert (execution.outcome, execution.state_kept) == ("cancelled", True)
            assert not caller.running.paused
            with pytest.raises(NotFound):
                await caller.answer(call)
        assert (await narrow.run(session, "kept")).text == "5"


async def test_who_heeds_no_interrupt_is_killed_though_it_is_paused(narrow: Engine) -> None:
    code = """
    while True:
        try: tools.ask()
        except KeyboardInterrupt: pass
    """
    async with sessions(narrow, 1) as (session,), calling(narrow, session, code) as caller:
        await caller.call()
        await caller.running.interrupt()
        execution = await caller.result()
        assert (execution.outcome, execution.state_kept) == ("cancelled", False)


async def test_the_end_of_the_session_ends_the_pause(narrow: Engine) -> None:
    async with sessions(narrow, 1) as (session,), calling(narrow, session, "tools.ask()") as caller:
        call, _ = await caller.call()
        await narrow.end_session(session)
        assert (await caller.result()).outcome == "cancelled"
        with pytest.raises(NotFound):
            await caller.answer(call)


async def test_the_death_of_the_interpreter_ends_the_pause(narrow: Engine) -> None:
    code = "import os, threading\nthreading.Timer(0.05, lambda: os._exit(3)).start()\ntools.ask()"
    async with sessions(narrow, 1) as (session,), calling(narrow, session, code) as caller:
        call, _ = await caller.call()
        execution = await caller.result()
        assert (execution.outcome, execution.exit_code) == ("crashed", 3)
        with pytest.raises(NotFound):
            await caller.answer(call)
        assert (await narrow.run(session, "1")).text == "1"


async def test_the_death_of_the_sandbox_ends_the_pause(narrow: Engine) -> None:
    async with sessions(narrow, 1) as (session,), calling(narrow, session, "tools.ask()") as caller:
        call, _ = await caller.call()
        await session._sandbox.aclose()
        with pytest.raises(SandboxFailed):
            await caller.result()
        with pytest.raises(NotFound):
            await caller.answer(call)


async def test_the_end_of_the_engine_ends_the_pause() -> None:
    failed: list[type[Exception]] = []

    async def wait_for(answering: Any) -> None:
        try:
            await answering
        except InsituError as error:
            failed.append(type(error))

    async with anyio.create_task_group() as tasks:
        async with Engine(ONE) as engine:
            async with calling(engine, None, "tools.ask()") as caller:
                call, _ = await caller.call()
            # Somebody else has the only place, and the answer waits for it.
            async with calling(engine, None, "print('runs')\nwhile True: pass", background=True) as other:
                await other.output("runs")
                tasks.start_soon(wait_for, caller.answer(call))
                tasks.start_soon(wait_for, caller.result())
                await anyio.wait_all_tasks_blocked()
        while len(failed) < 2:  # noqa: ASYNC110 - the test's own time-out is the bound
            await anyio.sleep(0.005)
    assert set(failed) <= {NotFound, SandboxFailed, EngineClosed} and NotFound in failed


async def test_a_paused_execution_lets_others_run_and_its_answer_waits_for_its_place(narrow: Engine) -> None:
    busy = "print('runs')\nimport os\nwhile not os.path.exists('go'): pass"
    async with sessions(narrow, 2) as (mine, others):
        async with calling(narrow, mine, "tools.ask()", timeout_s=5) as caller:
            call, _ = await caller.call()
            assert free(narrow) == 1
            async with anyio.create_task_group() as tasks:
                async with calling(narrow, others, busy, timeout_s=20) as other:
                    await other.output("runs")
                    assert free(narrow) == 0
                    tasks.start_soon(caller.answer, call, 5)
                    await anyio.wait_all_tasks_blocked()
                    assert caller.running.paused and not caller.running.done
                    await others.files.write("go", nothing())
                    assert (await other.result()).outcome == "ok"
            assert (await caller.result()).text == "5"


async def nothing() -> AsyncIterator[bytes]:
    yield b""


async def test_who_waits_longer_runs_first(narrow: Engine) -> None:
    order: list[str] = []
    async with sessions(narrow, 4) as made:
        async with (
            calling(narrow, made[0], "tools.ask()") as caller,
            calling(narrow, made[1], "print('runs')\ntools.echo()") as running,
            anyio.create_task_group() as tasks,
        ):
            call, _ = await caller.call()
            await running.output("runs")

            async def run(name: str, session: Session) -> None:
                assert (await narrow.run(session, "1")).outcome == "ok"
                order.append(name)

            async def answer() -> None:
                await caller.answer(call)
                await caller.result()
                order.append("answer")

            tasks.start_soon(run, "before", made[2])
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(answer)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(run, "after", made[3])
            await anyio.wait_all_tasks_blocked()
            assert order == []
            await running.answer((await running.call())[0])
    assert order == ["before", "answer", "after"]


async def test_an_answer_that_waits_can_be_given_up_and_given_again(narrow: Engine) -> None:
    async with sessions(narrow, 2) as (mine, others):
        async with calling(narrow, mine, "tools.ask()") as caller:
            call, _ = await caller.call()
            async with calling(narrow, others, "print('runs')\ntools.echo()") as other:
                await other.output("runs")
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(caller.answer, call, 1)
                    await anyio.wait_all_tasks_blocked()
                    tasks.cancel_scope.cancel()
                assert caller.running.paused
                await other.answer((await other.call())[0])
                assert (await other.result()).outcome == "ok"
            await caller.answer(call, 2)
            assert (await caller.result()).text == "2"


async def test_two_answers_at_once_are_one(narrow: Engine) -> None:
    refused: list[int] = []
    async with sessions(narrow, 2) as (mine, others):
        async with calling(narrow, mine, "tools.ask()") as caller:
            call, _ = await caller.call()

            async def answer(value: int) -> None:
                try:
                    await caller.answer(call, value)
                except NotFound:
                    refused.append(value)

            async with (
                calling(narrow, others, "print('runs')\ntools.echo()") as other,
                anyio.create_task_group() as tasks,
            ):
                await other.output("runs")
                for value in range(3):
                    tasks.start_soon(answer, value)
                await anyio.wait_all_tasks_blocked()
                await other.answer((await other.call())[0])
            execution = await caller.result()
    assert sorted([int(execution.text or ""), *refused]) == [0, 1, 2]


async def test_what_asks_again_before_its_answer_has_a_place_waits_without_one(narrow: Engine) -> None:
    code = """
    import os, threading, time
    def later():
        while not os.path.exists("go"): time.sleep(0.002)
        print(tools.ask(x=2))
    thread = threading.Thread(target=later)
    thread.start()
    print(tools.ask(x=1))
    thread.join()
    """
    async with sessions(narrow, 2) as (mine, others):
        async with calling(narrow, mine, code) as caller, anyio.create_task_group() as tasks:
            first, _ = await caller.call()
            async with calling(narrow, others, "print('runs')\ntools.echo()") as other:
                await other.output("runs")
                tasks.start_soon(caller.answer, first, 1)
                await anyio.wait_all_tasks_blocked()
                await mine.files.write("go", nothing())
                second, _ = await caller.call()
                await other.answer((await other.call())[0])
                assert (await other.result()).outcome == "ok"
            await caller.output("1\n")
            assert (caller.running.paused, free(narrow)) == (True, 1)
            await caller.answer(second, 2)
            assert (await caller.result()).stdout == "1\n2\n"


async def test_one_that_is_given_up_waits_for_a_place_and_is_heard_meanwhile(impatient: Engine) -> None:
    code = """
    import os, threading, time
    def talk():
        while not os.path.exists("go"): time.sleep(0.002)
        print("heard")
    threading.Thread(target=talk).start()
    try: tools.ask()
    except TimeoutError: print("given up")
    """
    async with sessions(impatient, 2) as (mine, others):
        async with calling(impatient, mine, code, timeout_s=5) as caller:
            await caller.call()
            async with calling(impatient, others, "print('runs')\ntools.echo()", timeout_s=20) as other:
                await other.output("runs")
                await eventually(lambda: waiting(impatient) == 1)
                await mine.files.write("go", nothing())
                await caller.output("heard")
                assert caller.running.paused
                await other.answer((await other.call())[0])
            assert (await caller.result()).stdout == "heard\ngiven up\n"


async def test_one_that_is_given_up_can_be_stopped_while_it_waits_for_a_place(impatient: Engine) -> None:
    async with sessions(impatient, 2) as (mine, others):
        async with calling(impatient, mine, "tools.ask()", timeout_s=5) as caller:
            await caller.call()
            async with calling(impatient, others, "print('runs')\ntools.echo()", timeout_s=20) as other:
                await other.output("runs")
                await eventually(lambda: waiting(impatient) == 1)
                await caller.running.interrupt()
                execution = await caller.result()
                assert (execution.outcome, execution.state_kept) == ("cancelled", True)
                await other.running.interrupt()


async def test_a_reader_that_leaves_while_it_is_paused_stops_nothing(narrow: Engine) -> None:
    async with sessions(narrow, 1) as (session,):
        async with calling(narrow, session, "tools.ask()") as caller:
            call, _ = await caller.call()
        await caller.answer(call, 5)
        assert (await caller.result()).text == "5"
        async with calling(narrow, session, "tools.echo()") as caller:
            await caller.call()
        assert (await caller.result()).outcome == "cancelled"


async def test_a_paused_execution_has_its_sandbox_and_its_turn(narrow: Engine) -> None:
    async with sessions(narrow, 1) as (session,), calling(narrow, session, "x = tools.ask()") as caller:
        call, _ = await caller.call()
        told: list[Execution] = []

        async def next_one() -> None:
            told.append(await narrow.run(session, "x"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(next_one)
            await anyio.wait_all_tasks_blocked()
            assert (await perform(narrow, None, "1")).text == "1"
            assert told == [] and session.info().state == "busy"
            await caller.answer(call, 5)
        assert [execution.text for execution in told] == ["5"]
