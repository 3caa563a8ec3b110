"""The order of a batch: what waits for what, and what is left out since that failed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from graphlib import CycleError, TopologicalSorter

import anyio

from ...errors import InvalidRequest

# Does the work at a place; returns whether it went well.
Do = Callable[[int], Awaitable[bool]]
# Hears of a place that is left out, and of the one that it waited for in vain.
Skip = Callable[[int, int], Awaitable[None]]


class Schedule:
    """What a batch does when.

    Args:
        names: of the calls; None for one that nothing waits for by its name.
        after: for each call, the names of those that have to end well before it.

    Raises:
        InvalidRequest: for a name that is there twice or not at all, or calls that wait for each other.
    """

    def __init__(self, names: Sequence[str | None], after: Sequence[Sequence[str]]) -> None:
        places = _places(names)
        self._waits: list[set[int]] = []
        for number, wanted in enumerate(after):
            if missing := [name for name in wanted if name not in places]:
                raise InvalidRequest(f"calls.{number}: after names {missing[0]!r}, which is the id of no call")
            self._waits.append({places[name] for name in wanted})
        try:
            TopologicalSorter(dict(enumerate(self._waits))).prepare()
        except CycleError as error:
            circle = ", ".join(repr(names[number]) for number in error.args[1][:-1])
            raise InvalidRequest(f"calls: these wait for each other: {circle}") from None

    @classmethod
    def in_order(cls, count: int) -> Schedule:
        """One after the other, as they stand."""
        names = [str(number) for number in range(count)]
        return cls(names, [names[max(0, number - 1) : number] for number in range(count)])

    async def run(self, do: Do, skip: Skip, *, at_once: int, go_on: bool) -> None:
        """Do all of it; cancelling this cancels what runs.

        Args:
            at_once: how many may run side by side.
            go_on: whether what waited for something goes on when that has failed.
        """
        ended = [anyio.Event() for _ in self._waits]
        well = [False] * len(ended)
        places = anyio.Semaphore(at_once, fast_acquire=True)

        async def carry_out(number: int) -> None:
            for other in self._waits[number]:
                await ended[other].wait()
            failed = [other for other in self._waits[number] if not well[other]]
            if failed and not go_on:
                await skip(number, min(failed))
            else:
                async with places:
                    well[number] = await do(number)
            ended[number].set()

        async with anyio.create_task_group() as tasks:
            for number in range(len(ended)):
                tasks.start_soon(carry_out, number)


def _places(names: Sequence[str | None]) -> dict[str, int]:
    places: dict[str, int] = {}
    for number, name in enumerate(names):
        if name in places:
            raise InvalidRequest(f"calls.{number}: the id {name!r} is there twice")
        if name is not None:
            places[name] = number
    return places
