"""The places of executions that run: how many an owner has, and whose turn is next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import TaskGroup

from insitu.engine.slots import Slots


class Asking:
    """Slots, and who has got one, in the order of it."""

    def __init__(self, most: int, tasks: TaskGroup) -> None:
        self.slots = Slots(most)
        self.got: list[str] = []
        self._tasks = tasks

    async def ask(self, *owners: str) -> None:
        """Ask for a place for each, one after the other, and let them wait."""
        for owner in owners:
            self._tasks.start_soon(self._take, owner)
            await anyio.wait_all_tasks_blocked()

    async def give(self, *owners: str) -> None:
        for owner in owners:
            self.slots.give(owner)
            await anyio.wait_all_tasks_blocked()

    async def _take(self, owner: str) -> None:
        await self.slots.take(owner)
        self.got.append(owner)


@asynccontextmanager
async def asking(most: int) -> AsyncIterator[Asking]:
    async with anyio.create_task_group() as tasks:
        yield Asking(most, tasks)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("most", "share"), [(1, 1), (2, 2), (4, 3), (64, 48)])
async def test_an_owner_has_three_quarters_at_the_most(most: int, share: int) -> None:
    async with asking(most) as asked:
        await asked.ask(*["a"] * most)
        assert asked.slots.running == len(asked.got) == share


async def test_what_one_owner_cannot_have_another_gets_at_once() -> None:
    async with asking(4) as asked:
        await asked.ask("a", "a", "a", "a", "b")
        assert asked.got == ["a", "a", "a", "b"]
        await asked.give("b")
        assert asked.got == ["a", "a", "a", "b"]
        await asked.give("a")
        assert asked.got == ["a", "a", "a", "b", "a"]


async def test_who_has_fewer_comes_first() -> None:
    async with asking(4) as asked:
        await asked.ask("a", "a", "a", "b", "b", "a", "c", "b")
        await asked.give("a", "a", "a", "b")
        assert asked.got[4:] == ["c", "b", "a", "b"]


async def test_owners_with_as_many_take_turns() -> None:
    async with asking(1) as asked:
        await asked.ask("a", "a", "a", "b", "b", "c")
        await asked.give("a", "a", "b", "c", "a")
        assert asked.got == ["a", "a", "b", "c", "a", "b"]


async def test_who_goes_away_while_it_waits_takes_no_place() -> None:
    async with asking(1) as asked:
        await asked.ask("a")
        with anyio.move_on_after(0):
            await asked.slots.take("b")
        await asked.ask("c")
        await asked.give("a")
        assert (asked.got, asked.slots.running) == (["a", "c"], 1)
