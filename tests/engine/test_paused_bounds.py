"""How many executions may be paused, how much is kept of them, and that they take no place of those that run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from insitu.engine import Engine
from tests.support.calling import Caller, calling
from tests.support.guest import SMALL
from tests.support.waiting import eventually

BOUNDS = {
    "max_executions": 1,
    "queue_size": 0,
    "max_paused": 3,
    "max_paused_per_owner": 2,
    "max_paused_bytes": 300_000,
    "max_paused_bytes_per_owner": 200_000,
}
ASK = """
try: print(tools.ask(x=1))
except RuntimeError as error: print(isinstance(error, tools.Error), error)
"""


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[Engine]:
    """An engine with room for one execution, and for some that are paused."""
    async with Engine(SMALL.model_copy(update=BOUNDS)) as engine:
        yield engine


@pytest.fixture
async def stack(engine: Engine) -> AsyncIterator[AsyncExitStack]:
    """What a test starts; afterwards nothing is counted any more."""
    async with AsyncExitStack() as stack:
        yield stack
    await eventually(lambda: engine.load["executions"] == engine.load["paused"] == engine.load["sandboxes"] == 0)
    assert (engine._admission.paused._kept, engine._admission.paused._kept_of) == (0, {})


async def started(stack: AsyncExitStack, engine: Engine, code: str, owner: str = "") -> Caller:
    await eventually(lambda: engine.load["executions"] == 0)  # what has ended leaves a moment later
    caller = await stack.enter_async_context(calling(engine, None, code, owner=owner))
    stack.push_async_callback(caller.running.interrupt)
    return caller


async def paused(stack: AsyncExitStack, engine: Engine, owner: str = "", code: str = "tools.ask()") -> Caller:
    """An execution that waits for its client."""
    caller = await started(stack, engine, code, owner)
    await caller.call()
    assert caller.running.paused
    return caller


async def said(stack: AsyncExitStack, engine: Engine, owner: str = "", code: str = ASK) -> str:
    """What code writes that may not wait."""
    caller = await started(stack, engine, code, owner)
    execution = await caller.result()
    assert (execution.outcome, caller.running.pending) == ("ok", [])
    return execution.stdout


async def test_what_is_paused_takes_no_place_of_what_runs_or_waits(engine: Engine, stack: AsyncExitStack) -> None:
    for count in (1, 2):
        await paused(stack, engine)
        assert (engine.load["executions"], engine.load["paused"]) == (0, count)
    assert (await engine.run(None, "1 + 1")).text == "2"


async def test_an_owner_may_have_so_many_with_a_key_or_without(engine: Engine, stack: AsyncExitStack) -> None:
    first, _ = await paused(stack, engine), await paused(stack, engine)
    refusal = await said(stack, engine)
    assert refusal.startswith("True 2 executions of yours wait for their clients' answers already")
    assert "max_paused_per_owner" in refusal
    await paused(stack, engine, "another")
    await first.running.interrupt()
    await eventually(lambda: engine.load["paused"] == 2)
    await paused(stack, engine)


async def test_all_may_have_so_many_together(engine: Engine, stack: AsyncExitStack) -> None:
    for owner in ("one", "one", "two"):
        await paused(stack, engine, owner)
    assert "True 3 executions wait for their clients' answers already, the most that may (max_paused)" in await said(
        stack, engine, "three"
    )


async def test_what_was_refused_may_wait_when_there_is_room(engine: Engine, stack: AsyncExitStack) -> None:
    first, _ = await paused(stack, engine), await paused(stack, engine)
    caller = await started(stack, engine, f"{ASK}\ntools.echo()\n{ASK}")
    go_on, _ = await caller.call()
    await first.running.interrupt()
    await eventually(lambda: engine.load["paused"] == 1)
    await caller.answer(go_on)
    call, _ = await caller.call()
    await caller.answer(call, 5)
    assert (await caller.result()).stdout.splitlines()[1:] == ["5"]


@pytest.mark.parametrize("code", ["print('x' * 150_000)\ntools.ask()", "tools.ask(x='x' * 150_000)"])
async def test_output_and_arguments_that_are_kept_are_bounded(engine: Engine, stack: AsyncExitStack, code: str) -> None:
    refused = code.replace("tools.ask", "try: tools.ask") + "\nexcept RuntimeError as error: print('\\n', error)"
    await paused(stack, engine, "one", code)
    for owner, bound in (
        ("one", "of all of yours that wait 200000 may be (max_paused_bytes_per_owner)"),
        ("two", "of all that wait 300000 may be (max_paused_bytes)"),
    ):
        assert bound in (await said(stack, engine, owner, refused)).splitlines()[-1]
    await paused(stack, engine, "two", code.replace("150_000", "100_000"))


async def test_a_further_call_that_would_be_too_much_takes_nothing_from_the_first(
    engine: Engine, stack: AsyncExitStack
) -> None:
    code = """
    import asyncio
    async def ask(**arguments):
        try: return await tools.ask.aio(**arguments)
        except RuntimeError as error: display(str(error))
    await asyncio.gather(ask(x=1), ask(x="x" * 250_000))
    """
    caller = await started(stack, engine, code)
    call, x = await caller.call()
    await caller.display()
    assert (x, [each["call_id"] for each in caller.running.pending]) == (1, [call])
    await caller.answer(call, 5)
    assert (await caller.result()).text == "[5, None]"
