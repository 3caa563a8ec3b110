"""Executions that have ended and are kept for their clients: how many, and of whom."""

from __future__ import annotations

import pytest

from insitu.engine import kept
from insitu.engine.execution import RunningExecution
from insitu.engine.kept import KeptExecutions
from insitu.engine.paused import Paused
from insitu.engine.slots import Slot, Slots
from insitu.errors import NotFound
from insitu.types import Execution
from tests.support.guest import SMALL


class Ended:
    """Executions of some owners that have ended, in this order; all but a few are let go of."""

    def __init__(self, *owners: str) -> None:
        self.kept = KeptExecutions()
        self._all = [(owner, self._end(owner)) for owner in owners]
        self.kept.sweep()

    def _end(self, owner: str) -> str:
        running = RunningExecution(None, Slot(Slots(1), Paused(SMALL, lambda: None), owner))
        self.kept.add(running, owner)
        running.log.append("stdout", {"text": "x" * 1000})
        running.finish(Execution(running.id, None, "ok", state_kept=True, exit_code=0))
        self.kept.sweep()  # it has ended before the next one does
        return running.id

    def weight(self) -> int:
        """Of the first, in bytes."""
        owner, id = self._all[0]
        return self.kept.find(id, owner).log.weight()

    def found(self) -> str:
        """The owners of those that are still there."""
        return "".join(owner for owner, id in self._all if self._is_there(owner, id))

    def _is_there(self, owner: str, id: str) -> bool:
        try:
            self.kept.find(id, owner)
        except NotFound:
            return False
        return True


@pytest.mark.parametrize(("ended", "found"), [("aaaaaa", "aa"), ("baaaaaa", "baa"), ("cbbaaa", "bbaa"), ("abc", "abc")])
async def test_an_owner_has_half_of_the_room_and_the_oldest_go_first(
    monkeypatch: pytest.MonkeyPatch, ended: str, found: str
) -> None:
    monkeypatch.setattr(kept, "_MOST", 4)
    assert Ended(*ended).found() == found


async def test_the_room_is_counted_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST_BYTES", 7 * Ended("a").weight())
    assert Ended(*"baaaaaa").found() == "baaa"


async def test_what_has_not_ended_stays() -> None:
    executions = KeptExecutions()
    running = RunningExecution(None, Slot(Slots(1), Paused(SMALL, lambda: None), ""))
    executions.add(running, "")
    executions.sweep()
    assert executions.find(running.id, "") is running
