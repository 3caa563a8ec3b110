"""Invocations in the background that wait for room, and what becomes of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from insitu.engine import Engine, Session
from insitu.errors import NotFound, StoreFailed
from insitu.functions import Functions, Invocation
from insitu.functions.keeping import brief
from insitu.types import CodeError
from tests.functions.conftest import Opened, held
from tests.functions.sources import ADD, COUNT, OWNER, WAIT, deploy, until_up
from tests.support.guest import SMALL
from tests.support.waiting import eventually


async def test_what_waits_has_no_sandbox_and_runs_in_its_order_once_there_is_room(opened: Opened) -> None:
    async with Engine(SMALL.model_copy(update={"max_sessions_per_owner": 1})) as narrow, opened(narrow) as functions:
        await deploy(functions, COUNT, concurrency=1)
        session = await narrow.create_session(owner=OWNER)
        accepted = [await functions.submit(OWNER, "f") for _ in range(3)]
        assert [(await functions.invocation(OWNER, each.id)).state for each in accepted] == ["queued"] * 3
        assert narrow.load["sandboxes"] == 1
        await narrow.end_session(session)
        assert [(await functions.wait(OWNER, each.id)).result for each in accepted] == [1, 2, 3]


async def test_half_of_what_may_run_is_for_what_somebody_waits_for(opened: Opened) -> None:
    async with Engine(SMALL.model_copy(update={"max_executions": 2})) as narrow, opened(narrow) as functions:
        await deploy(functions, WAIT, "slow")
        await deploy(functions, ADD, "quick")
        running = await functions.submit(OWNER, "slow")
        waiting = await functions.submit(OWNER, "quick", [1])
        await until_up(functions, running.id)
        assert (await functions.invoke(OWNER, "quick", [2])).result == 3
        assert (await functions.invocation(OWNER, waiting.id)).state == "queued"
        await _slow(narrow).files.delete("go")
        assert (await functions.wait(OWNER, running.id)).result == "done"
        assert (await functions.wait(OWNER, waiting.id)).result == 2


async def test_what_waits_for_one_function_holds_up_no_other(functions: Functions, engine: Engine) -> None:
    await deploy(functions, WAIT, "slow", concurrency=1)
    await deploy(functions, ADD, "quick")
    running, waiting = [await functions.submit(OWNER, "slow") for _ in range(2)]
    quick = await functions.submit(OWNER, "quick", [1])
    await until_up(functions, running.id)
    assert (await functions.wait(OWNER, quick.id)).result == 2
    assert (await functions.invocation(OWNER, waiting.id)).state == "queued"
    for each in (running, waiting):
        await until_up(functions, each.id)
        await _slow(engine).files.delete("go")
        assert (await functions.wait(OWNER, each.id)).result == "done"


async def test_what_was_let_in_and_has_not_run_when_the_server_stops_runs_when_it_starts_again(opened: Opened) -> None:
    async with Engine(SMALL.model_copy(update={"max_executions": 1})) as narrow:
        session = await narrow.create_session()
        async with narrow.start(session, "import time; time.sleep(60)"):
            async with opened(narrow) as functions:
                await deploy(functions, ADD)
                accepted = await functions.submit(OWNER, "f", [1])
                await eventually(lambda: narrow.load["executions"] == 2)
        async with opened(narrow) as functions:
            assert (await functions.wait(OWNER, accepted.id)).result == 2


async def test_what_could_not_begin_for_a_disk_that_failed_is_tried_again(
    functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, failures = functions._kept.invocations, [StoreFailed("the disk failed")]
    begin = stored.begin

    async def failing(owner: str, invocation: Invocation) -> bytes | None:
        if failures:
            raise failures.pop()
        return await begin(owner, invocation)

    monkeypatch.setattr(stored, "begin", failing)
    await deploy(functions, ADD)
    accepted = await functions.submit(OWNER, "f", [1])
    await eventually(lambda: not failures)
    assert (await functions.invoke(OWNER, "f", [2])).result == 3  # when it leaves, what waits is looked at again
    assert (await functions.wait(OWNER, accepted.id)).result == 2


async def test_a_version_is_deleted_while_its_invocations_wait_and_run(functions: Functions, engine: Engine) -> None:
    await deploy(functions, WAIT, concurrency=1)
    running, waiting = [await functions.submit(OWNER, "f", qualifier="1") for _ in range(2)]
    await until_up(functions, running.id)
    await deploy(functions, ADD)
    await functions.delete(OWNER, "f", "1")
    told = await functions.wait(OWNER, waiting.id)
    assert (told.outcome, told.error and told.error.value) == ("cancelled", "it was deleted before this ran")
    assert [kind async for kind, _ in functions.events(OWNER, waiting.id)] == ["finished"]
    with pytest.raises(NotFound):
        await functions.submit(OWNER, "f", qualifier="1")
    assert (await functions.wait(OWNER, (await functions.submit(OWNER, "f", [1])).id)).result == 2
    assert (await functions.invocation(OWNER, running.id)).state == "running"
    await _slow(engine).files.delete("go")
    assert (await functions.wait(OWNER, running.id)).result == "done"


async def test_a_result_without_room_is_an_error_and_the_next_one_is_kept(opened: Opened) -> None:
    async with opened(limit=200_000) as functions:
        await deploy(functions, "def main(n): return 'x' * n")
        accepted = [await functions.submit(OWNER, "f", [size]) for size in (1000, 300_000, 2000)]
        ended = [await functions.wait(OWNER, each.id) for each in accepted]
        assert [each.outcome for each in ended] == ["ok", "error", "ok"]
        assert [len(each.result or "") for each in ended] == [1000, 0, 2000]
        assert [each.error and each.error.name for each in ended] == [None, "QuotaExceeded", None]


def test_of_long_texts_a_part_is_kept() -> None:
    long = "a" + "x" * 100_000 + "z"
    ended = Invocation("inv", "f", 1, "done", 0.0, stdout=long, stderr=long, error=CodeError(long, long, long))
    kept = brief(ended)
    assert kept.error is not None
    ends = {"stdout": kept.stdout, "stderr": kept.stderr, "traceback": kept.error.traceback}
    assert {name: (len(text), text[-2:]) for name, text in ends.items()} == dict.fromkeys(ends, (16 * 1024, "xz"))
    assert (len(kept.error.value), kept.error.value[:2]) == (16 * 1024, "ax")
    assert (len(kept.error.name), kept.error.name[:2]) == (256, "ax")
    assert brief(replace(ended, stdout="", stderr="", error=None)).error is None


def _slow(engine: Engine) -> Session:
    return next(session for session in held(engine) if not session.spare)
