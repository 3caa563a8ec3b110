"""Who gets the places of a tool's calls, and who waits."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from insitu.engine import ToolFailure
from insitu.tools import Registry, tool, tool_of
from insitu.tools.rates import Gauge, Rate
from tests.support.waiting import eventually


class Calls:
    """Calls of one tool, which runs until it is told to end, by keys of one letter."""

    def __init__(self, at_once: int, tasks: TaskGroup, timeout_s: float = 30) -> None:
        self.running: list[str] = []
        self.answers: dict[str, object] = {}
        self._ends: dict[str, anyio.Event] = {}
        self._tasks = tasks

        @tool(at_once=at_once, timeout_s=timeout_s)
        async def work(name: str) -> str:
            self.running.append(name)
            self._ends[name] = anyio.Event()
            await self._ends[name].wait()
            self.running.remove(name)
            return name

        self.registry = Registry([tool_of(work)])

    async def ask(self, *names: str) -> None:
        """Make calls, one after the other; each belongs to the key that its name begins with."""
        for name in names:
            self._tasks.start_soon(self._call, name)
            await anyio.wait_all_tasks_blocked()

    async def end(self, name: str) -> None:
        """Let a call end, and whoever is next begin."""
        self._ends.pop(name).set()
        await anyio.wait_all_tasks_blocked()

    async def _call(self, name: str) -> None:
        self.answers[name] = await self.registry.call("work", {"name": name}, owner=name[0])


@asynccontextmanager
async def calls(at_once: int, timeout_s: float = 30) -> AsyncIterator[Calls]:
    async with anyio.create_task_group() as tasks:
        yield Calls(at_once, tasks, timeout_s)
        tasks.cancel_scope.cancel()


async def test_keys_take_turns() -> None:
    async with calls(at_once=1) as made:
        await made.ask("a1", "a2", "a3", "b1")
        order = [made.running[0]]
        for _ in range(3):
            await made.end(order[-1])
            order += made.running
        assert order == ["a1", "a2", "b1", "a3"]


async def test_a_key_leaves_places_to_others() -> None:
    async with calls(at_once=4) as made:
        await made.ask("a1", "a2", "a3", "a4")
        assert made.running == ["a1", "a2", "a3"]
        await made.ask("a5", "b1")
        assert made.running == ["a1", "a2", "a3", "b1"]
        await made.ask("b2")
        await made.end("a1")
        assert made.running == ["a2", "a3", "b1", "b2"]  # who has fewer is before who has waited for longer
        await made.end("b1")
        assert made.answers == {"a1": "a1", "b1": "b1"}


async def test_calls_of_one_key_that_wait_have_a_bound() -> None:
    async with calls(at_once=1) as made:
        await made.ask(*(f"a{number}" for number in range(258)), "b")
        refused = ToolFailure("RuntimeError", "work is waited for by 256 of your calls, and more may not be")
        assert made.answers == {"a257": refused}


async def test_a_call_has_its_time_from_when_it_runs() -> None:
    async with calls(at_once=1, timeout_s=0.1) as made:
        await made.ask("a1", "b1")
        await eventually(lambda: len(made.answers) == 2)
    given_up = ToolFailure("TimeoutError", "work did not answer within 0.1 s")
    assert made.answers == {"a1": given_up, "b1": given_up}


async def test_a_thread_that_hangs_keeps_its_place_and_no_key_can_fill_a_tool_with_them() -> None:
    end = threading.Event()

    @tool(at_once=4, timeout_s=0.05)
    def hang(forever: bool) -> str:
        if forever:
            end.wait(30)
        return "done"

    registry = Registry([tool_of(hang)])

    async def call(owner: str, forever: bool) -> object:
        return await registry.call("hang", {"forever": forever}, owner)

    given_up = ToolFailure("TimeoutError", "hang did not answer within 0.05 s")
    assert [await call("a", True) for _ in range(3)] == [given_up] * 3
    refused = await call("a", False)
    assert isinstance(refused, ToolFailure) and "had no place for the call within 0.1 s: 4 may run" in refused.message
    assert await call("b", False) == "done"
    end.set()
    with anyio.fail_after(20):
        while await call("a", False) != "done":
            pass  # a place is free again as soon as a thread has ended


async def test_a_rate_counts_for_each_of_many_keys() -> None:
    gauge = Gauge(Rate.read("1/h"))
    keys = [f"key{number}" for number in range(2500)]
    assert {gauge.take(key) for key in keys} == {0}
    assert all(3500 < gauge.take(key) <= 3600 for key in keys)
