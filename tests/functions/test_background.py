from __future__ import annotations

import sqlite3
import time
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from insitu.engine import Engine
from insitu.errors import InvalidRequest, NotFound, QuotaExceeded
from insitu.functions import Functions, FunctionSpec, Invocation
from insitu.store import Store
from tests.functions.conftest import Opened, held
from tests.functions.sources import ADD, OWNER, WAIT, deploy, spec, until_up
from tests.support.waiting import eventually

REQUEST = b'{"args":[1],"kwargs":{}}'


def queued(number: int = 0) -> Invocation:
    """An invocation that waits."""
    return Invocation(f"inv_{number}", "f", 1, "queued", created=time.time())


def stored(folder: Path) -> AbstractAsyncContextManager[Store]:
    """The store of the folder, as another server sees it."""
    return Store.open(folder / "data", bytes_per_owner=10**9, read_bytes=1 << 20, retention_s=3600)


async def test_an_invocation_in_the_background_is_told_of_until_its_end(functions: Functions) -> None:
    await deploy(functions, ADD)
    accepted = await functions.submit(OWNER, "f", [1])
    assert (accepted.state, accepted.outcome, accepted.version) == ("queued", None, 1)
    ended = await functions.wait(OWNER, accepted.id)
    assert (ended.state, ended.outcome, ended.result) == ("done", "ok", 2)
    assert await functions.invocation(OWNER, accepted.id) == ended
    assert [each.id for each in (await functions.logs(OWNER, "f")).data] == [accepted.id]


async def test_its_events_are_those_of_its_execution_and_then_its_end(functions: Functions) -> None:
    await deploy(functions, "def main():\n  print('a', flush=True)\n  return 1")
    accepted = await functions.submit(OWNER, "f")
    events = [(kind, data) async for kind, data in functions.events(OWNER, accepted.id)]
    assert [kind for kind, _ in events][-1] == "finished"
    assert {kind for kind, _ in events} <= {"started", "stdout", "result", "finished"}
    assert (events[-1][1]["result"], events[-1][1]["stdout"]) == (1, "a\n")
    assert [kind async for kind, _ in functions.events(OWNER, accepted.id)] == ["finished"]


async def test_more_than_may_run_at_once_wait_and_none_is_lost(functions: Functions) -> None:
    await deploy(functions, ADD, concurrency=2)
    accepted = [await functions.submit(OWNER, "f", [number]) for number in range(30)]
    ended = [await functions.wait(OWNER, each.id) for each in accepted]
    assert [each.result for each in ended] == list(range(1, 31))


async def test_no_more_wait_than_may(opened: Opened) -> None:
    async with opened(max_queued_invocations=3) as functions:
        await deploy(functions, WAIT, concurrency=1)
        for _ in range(3):
            await functions.submit(OWNER, "f")
        with pytest.raises(QuotaExceeded, match="3 of your invocations wait or run"):
            await functions.submit(OWNER, "f")


async def test_invocations_of_another_owner_are_not_there(functions: Functions) -> None:
    await deploy(functions, ADD)
    accepted = await functions.submit(OWNER, "f", [1])
    for ask in (functions.invocation, functions.wait):
        with pytest.raises(NotFound):
            await ask("eve", accepted.id)
    with pytest.raises(NotFound):
        _ = [each async for each in functions.events("eve", accepted.id)]
    await functions.wait(OWNER, accepted.id)


async def test_what_waited_when_the_server_stopped_runs_when_it_starts_again(opened: Opened) -> None:
    async with opened() as functions:
        await deploy(functions, WAIT, concurrency=1)
        running = await functions.submit(OWNER, "f")
        waiting = [await functions.submit(OWNER, "f", ["gone/at/once"]) for _ in range(3)]
        await until_up(functions, running.id)
    async with opened() as functions:
        first = await functions.wait(OWNER, running.id)
        assert (first.outcome, first.error and first.error.value) == ("crashed", "the server stopped while it ran")
        for each in waiting:
            assert (await functions.wait(OWNER, each.id)).error is not None
        assert {(await functions.wait(OWNER, each.id)).outcome for each in waiting} == {"error"}


async def test_of_two_servers_one_takes_over_what_a_third_has_left(opened: Opened, tmp_path: Path) -> None:
    async with opened() as functions:
        await deploy(functions, ADD)
        revision = (await functions.get(OWNER, "f")).latest.revision
    async with stored(tmp_path) as store:
        await store.invocations.accept(OWNER, queued(), revision, REQUEST, 10)
    async with stored(tmp_path) as one, stored(tmp_path) as other:
        taken = [*await one.invocations.take_over(), *await other.invocations.take_over()]
        assert [(owner, invocation.id) for owner, _, invocation in taken] == [(OWNER, "inv_0")]
    async with opened() as functions:
        assert (await functions.wait(OWNER, "inv_0")).result == 2


async def test_what_waits_for_a_function_that_is_deleted_is_told_so(functions: Functions, engine: Engine) -> None:
    await deploy(functions, WAIT, concurrency=1)
    running = await functions.submit(OWNER, "f")
    waiting = await functions.submit(OWNER, "f")
    await until_up(functions, running.id)
    await functions.delete(OWNER, "f")
    told = await functions.invocation(OWNER, waiting.id)
    assert (told.state, told.outcome, told.error and told.error.name) == ("done", "cancelled", "NotFound")
    [session] = held(engine)
    await session.files.delete("go")
    assert (await functions.wait(OWNER, running.id)).result == "done"
    assert (await functions.wait(OWNER, waiting.id)) == told


async def test_a_new_deployment_does_not_take_the_code_from_what_waits(functions: Functions, engine: Engine) -> None:
    await functions.deploy(OWNER, "f", _old(), publish=False)
    running = await functions.submit(OWNER, "f", ["go"])
    waiting = await functions.submit(OWNER, "f")
    await until_up(functions, running.id)
    await deploy(functions, "def main(): return 'new'")
    await functions.deploy(OWNER, "f", _old("# another"), publish=False)
    [session] = held(engine)
    await session.files.delete("go")
    assert (await functions.wait(OWNER, waiting.id)).result == "old"


async def test_an_argument_that_breaks_the_schema_is_not_accepted(functions: Functions) -> None:
    await deploy(functions, ADD, schema={"type": "object", "required": ["x"]})
    with pytest.raises(InvalidRequest):
        await functions.submit(OWNER, "f")
    assert (await functions.logs(OWNER, "f")).data == []


async def test_what_is_accepted_while_whoever_asked_goes_away_runs(
    functions: Functions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deploy(functions, ADD)
    stored, accepting = functions._kept.invocations, anyio.Event()
    accept = stored.accept

    async def told(*given: Any) -> None:
        accepting.set()
        await accept(*given)

    monkeypatch.setattr(stored, "accept", told)
    with closing(sqlite3.connect(tmp_path / "data" / "insitu.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as asking:
            asking.start_soon(functions.submit, OWNER, "f", [1])
            await accepting.wait()
            asking.cancel_scope.cancel()
            other.execute("ROLLBACK")
    await eventually(lambda: _has_ended(functions))
    [ended] = (await functions.logs(OWNER, "f")).data
    assert ended.outcome == "ok"


async def _has_ended(functions: Functions) -> bool:
    return bool((await functions.logs(OWNER, "f")).data)


def _old(more: str = "") -> FunctionSpec:
    code = """
        import os, time
        def main(name=None):
            if name:
                open(name, "w").close()
                print("up", flush=True)
                while os.path.exists(name):
                    time.sleep(0.005)
            return "old"
    """
    return spec(f"{code}\n        {more}\n", concurrency=1)
