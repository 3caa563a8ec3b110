"""Steps that wait for their client: how much work it is to find them again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio

from insitu.engine import Engine
from insitu.tools import Registry
from insitu.turn.held import StepRuns
from insitu.turn.step import ModelCall
from insitu.turn.steprun import StepRun
from insitu.turn.undertaken import Run, Undertaken
from insitu.types import Event
from tests.support.guest import SMALL
from tests.support.work import work


class Calling:
    """Code that calls the client's function many times at once, and then waits."""

    def __init__(self, calls: int) -> None:
        self._calls = calls

    async def run(self, undertaken: Undertaken) -> Run:
        for number in range(self._calls):
            event = Event(number, "tool_call", {"call_id": f"inner_{number}", "name": "weather", "arguments": {}})
            undertaken.note(event, {"weather"})
        await anyio.sleep_forever()
        raise AssertionError("it is cancelled")


@asynccontextmanager
async def held(steps: int, calls: int) -> AsyncIterator[StepRuns]:
    """What holds a step of so many calls of the model's, the code of each with so many calls of its own."""
    async with anyio.create_task_group() as tasks:
        runs = StepRuns(SMALL, Engine(SMALL), Registry(), tasks)
        run = StepRun("ann", [ModelCall(f"call_{number}") for number in range(steps)])
        tasks.start_soon(run.perform, Calling(calls))
        await anyio.wait_all_tasks_blocked()
        assert runs.hold(run)
        yield runs
        tasks.cancel_scope.cancel()


async def work_of_look_up(calls: int) -> int:
    async with held(1, calls) as runs:
        found = runs.caller("ann", "inner_3")
        assert found is not None
        assert found.id == "call_0"
        return work(partial(runs.caller, "ann", "inner_3"))


async def test_the_caller_of_a_call_is_found_without_going_through_all_others() -> None:
    assert await work_of_look_up(10) == await work_of_look_up(1000)


async def work_of_going_on(steps: int) -> int:
    async with held(steps, 0) as runs:
        ids = [f"call_{number}" for number in range(steps)]
        said = {"role": "assistant", "content": "", "tool_calls": [{"id": call_id} for call_id in ids]}
        assert runs.resume("ann", [said], ids, {}).open_calls == ids
        return work(partial(runs.resume, "ann", [said], ids, {}))


async def test_going_on_with_twice_as_many_open_calls_is_twice_the_work() -> None:
    fifty, hundred = await work_of_going_on(50), await work_of_going_on(100)
    assert hundred < 2.1 * fifty
