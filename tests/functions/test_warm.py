from __future__ import annotations

from typing import Any

import anyio
import pytest

from insitu.engine import Engine
from insitu.errors import NotFound, QuotaExceeded, SessionNotFound
from insitu.functions import Functions
from tests.functions.conftest import Opened, held
from tests.functions.sources import COUNT, OWNER, WAIT, deploy, spec
from tests.support.guest import SMALL, appears
from tests.support.waiting import eventually


async def test_a_sandbox_is_used_again_with_the_state_of_its_module(functions: Functions) -> None:
    await deploy(functions, COUNT)
    calls = [await functions.invoke(OWNER, "f") for _ in range(3)]
    assert [(call.result, call.cold) for call in calls] == [(1, True), (2, False), (3, False)]


async def test_without_reuse_each_invocation_has_a_sandbox_of_its_own(functions: Functions) -> None:
    await deploy(functions, COUNT, reuse=False)
    calls = [await functions.invoke(OWNER, "f") for _ in range(2)]
    assert [(call.result, call.cold) for call in calls] == [(1, True), (1, True)]


async def test_a_sandbox_is_for_one_version_of_one_function_of_one_owner(functions: Functions) -> None:
    await deploy(functions, COUNT)
    await functions.deploy(OWNER, "g", spec(COUNT))
    await functions.deploy("bob", "f", spec(COUNT))
    await functions.invoke(OWNER, "f")
    assert (await functions.invoke(OWNER, "g")).result == 1
    assert (await functions.invoke("bob", "f")).result == 1
    await deploy(functions, COUNT + "    # changed\n")
    assert (await functions.invoke(OWNER, "f")).result == 1
    assert (await functions.invoke(OWNER, "f", qualifier="1")).result == 2


@pytest.mark.parametrize("death", ["os._exit(1)", "os.kill(os.getpid(), 11)"])
async def test_after_the_death_of_an_interpreter_there_is_a_fresh_sandbox(functions: Functions, death: str) -> None:
    await deploy(
        functions, f"import os\ndef main(x=0):\n  open('left', 'a').close()\n  x and {death}\n  return os.listdir()"
    )
    assert (await functions.invoke(OWNER, "f")).ok
    assert (await functions.invoke(OWNER, "f", [1])).outcome == "crashed"
    after = await functions.invoke(OWNER, "f")
    assert (after.ok, after.cold) == (True, True)


async def test_an_error_and_a_timeout_leave_the_sandbox_as_it_is(functions: Functions) -> None:
    code = "import time\nn = 0\ndef main(s):\n  global n; n += 1\n  time.sleep(s)\n  return [n, 1 / s]"
    await deploy(functions, code, timeout_s=0.5)
    calls = [await functions.invoke(OWNER, "f", [seconds]) for seconds in (0.001, 30, 0, 0.001)]
    assert [call.outcome for call in calls] == ["ok", "timeout", "error", "ok"]
    assert [call.cold for call in calls] == [True, False, False, False]
    assert calls[-1].result == [4, 1000.0]


async def test_no_client_is_told_of_a_sandbox_or_finds_it(functions: Functions, engine: Engine) -> None:
    await deploy(functions, COUNT)
    accepted = await functions.submit(OWNER, "f")
    started = [data async for kind, data in functions.events(OWNER, accepted.id) if kind == "started"]
    assert [event["session_id"] for event in started] == [None]
    [session] = held(engine)
    assert engine.sessions(owner=OWNER) == []
    with pytest.raises(SessionNotFound):
        engine.session(session.id, owner=OWNER)
    assert (engine.load["sessions"], engine.load["held"], engine.load["sandboxes"]) == (0, 1, 1)


async def test_a_sandbox_that_has_died_is_replaced(functions: Functions, engine: Engine) -> None:
    await deploy(functions, COUNT)
    await functions.invoke(OWNER, "f")
    [session] = held(engine)
    await session._sandbox.aclose()
    assert (await functions.invoke(OWNER, "f")).result == 1


async def test_an_unused_sandbox_makes_room_for_a_session_and_one_in_use_does_not(opened: Opened) -> None:
    async with Engine(SMALL.model_copy(update={"max_sessions_per_owner": 1})) as narrow, opened(narrow) as functions:
        await deploy(functions, COUNT, "f")
        await deploy(functions, WAIT, "g")
        await functions.invoke(OWNER, "f")
        session = await narrow.create_session(owner=OWNER)
        assert held(narrow) == []
        await narrow.end_session(session)
        assert (await functions.invoke(OWNER, "f")).cold
        accepted = await functions.submit(OWNER, "g")
        async for kind, _ in functions.events(OWNER, accepted.id):
            if kind == "stdout":
                break
        with pytest.raises(QuotaExceeded):
            await narrow.create_session(owner=OWNER)
        await held(narrow)[0].files.delete("go")
        assert (await functions.wait(OWNER, accepted.id)).result == "done"


async def test_unused_sandboxes_are_bounded_and_the_least_recently_used_goes_first(
    opened: Opened, engine: Engine
) -> None:
    async with opened(max_warm_sandboxes=2) as functions:
        for name in ("a", "b", "c"):
            await deploy(functions, COUNT, name)
        for name in ("a", "b", "a", "c"):
            await functions.invoke(OWNER, name)
        await _sessions(engine, 2)
        assert [(await functions.invoke(OWNER, name)).result for name in ("a", "c", "b")] == [3, 2, 1]
    assert held(engine) == []


async def test_unused_sandboxes_end_after_their_time(opened: Opened, engine: Engine) -> None:
    async with opened(function_idle_s=0.1) as functions:
        await deploy(functions, COUNT)
        await functions.invoke(OWNER, "f")
        await _sessions(engine, 0)
        assert (await functions.invoke(OWNER, "f")).cold


async def test_deleting_a_function_ends_its_sandboxes_once_their_invocations_have_ended(
    functions: Functions, engine: Engine
) -> None:
    await deploy(functions, WAIT)
    results: list[Any] = []

    async def invoke() -> None:
        results.append(await functions.invoke(OWNER, "f"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(invoke)
        await _sessions(engine, 1)
        [session] = held(engine)
        await appears(session.files, "go")
        await functions.delete(OWNER, "f")
        with pytest.raises(NotFound):
            await functions.invoke(OWNER, "f")
        assert session.ended is None
        await session.files.delete("go")
    assert results[0].result == "done"
    await _sessions(engine, 0)


async def _sessions(engine: Engine, count: int) -> None:
    await eventually(lambda: len(held(engine)) == count)
