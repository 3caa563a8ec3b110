"""What owners keep for a while: nobody pushes out what is another's."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from insitu.engine import Engine
from insitu.tools import Registry
from insitu.turn.events import CallDone
from insitu.turn.held import StepRuns
from insitu.turn.shares import Shares
from insitu.turn.step import ModelCall
from insitu.turn.steprun import StepRun
from insitu.turn.undertaken import Run, Undertaken
from tests.support.guest import SMALL


@dataclass(frozen=True)
class Thing:
    owner: str
    name: str


def names(shares: Shares[Thing]) -> list[str]:
    return [thing.name for thing in shares]


def test_the_first_of_whoever_keeps_the_most_goes() -> None:
    shares: Shares[Thing] = Shares()
    shares.add(Thing("ann", "a1"), 30)
    for number in range(1, 8):
        shares.add(Thing("bob", f"b{number}"), 10)
    assert [gone.name for gone in shares.surplus(60)] == ["b1", "b2", "b3", "b4"]
    assert names(shares) == ["a1", "b5", "b6", "b7"]
    shares.add(Thing("ann", "a2"), 1)
    assert [gone.name for gone in shares.surplus(60)] == ["a1"]
    assert list(shares.surplus(31)) == []


def test_the_last_one_stays_however_large_and_what_is_taken_out_counts_no_more() -> None:
    shares: Shares[Thing] = Shares()
    large, small = Thing("ann", "large"), Thing("ann", "small")
    shares.add(large, 100)
    assert list(shares.surplus(10)) == []
    shares.add(small, 5)
    shares.discard(large)
    shares.discard(large)
    assert (list(shares.surplus(5)), names(shares), large in shares, len(shares)) == ([], ["small"], False, 1)


class Ready:
    """Code that has nothing to wait for."""

    async def run(self, undertaken: Undertaken) -> Run:
        return Run(CallDone(undertaken.call.id, {}, "done"))


async def test_of_steps_that_have_ended_nobody_pushes_out_anothers() -> None:
    async with anyio.create_task_group() as tasks:
        settings = SMALL.model_copy(update={"max_turns": 8})
        runs = StepRuns(settings, Engine(settings), Registry(), tasks)

        async def ended(owner: str, call_id: str) -> None:
            run = StepRun(owner, [ModelCall(call_id)])
            assert runs.hold(run)
            await runs._perform(run, Ready())

        await ended("ann", "call_ann")
        for number in range(20):
            await ended("bob", f"call_{number}")
        assert runs.find("ann", "call_ann") is not None
        assert [number for number in range(20) if runs.find("bob", f"call_{number}")] == list(range(13, 20))
        assert len(runs._held) == 8
