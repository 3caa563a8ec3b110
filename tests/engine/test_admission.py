"""Who is let in: the share of each owner, of whoever has no key as well."""

from __future__ import annotations

import pytest

from insitu.engine.admission import Admission
from insitu.engine.execution import RunningExecution
from insitu.errors import QuotaExceeded, ServerFull
from tests.support.guest import SMALL


@pytest.fixture
def admission() -> Admission:
    """Room for four executions, two of them of one owner, and for two sessions of one owner."""
    bounds = {"max_executions": 2, "queue_size": 2, "max_executions_per_owner": 2, "max_sessions_per_owner": 2}
    made = Admission(SMALL.model_copy(update=bounds))
    made.state = "open"
    return made


def admit(admission: Admission, owner: str) -> RunningExecution:
    running = RunningExecution(None, admission.slot(owner))
    admission.admit_execution(None, running, owner)
    return running


@pytest.mark.parametrize("owner", ["", "one"])
async def test_no_owner_takes_every_place(admission: Admission, owner: str) -> None:
    for _ in range(2):
        admit(admission, owner)
    assert not admission.has_room(owner)
    with pytest.raises(QuotaExceeded, match="2 of your executions run or wait, the most for one key"):
        admit(admission, owner)
    for _ in range(2):
        assert admission.has_room("two")
        admit(admission, "two")
    with pytest.raises(ServerFull, match="4 executions run or wait, and 4 is the most"):
        admit(admission, "three")


@pytest.mark.parametrize("owner", ["", "one"])
async def test_no_owner_has_every_session(admission: Admission, owner: str) -> None:
    for _ in range(2):
        admission.admit_session(owner)
    with pytest.raises(QuotaExceeded, match="you have 2 sessions, the most for one key"):
        admission.admit_session(owner)
    admission.admit_session("two")


async def test_what_is_paused_leaves_its_place_and_takes_it_again_though_there_is_none(admission: Admission) -> None:
    heard: list[bool] = []
    first, _ = admit(admission, "one"), admit(admission, "one")
    with admission.telling(lambda: heard.append(admission.has_room("one"))):
        assert first.slot.pause(1000) is None
    assert heard == [True]
    third = admit(admission, "one")
    first.slot.resume()
    assert (admission.executions, admission.paused.count) == (3, 0)
    with pytest.raises(QuotaExceeded):
        admit(admission, "one")
    for running in (first, third):
        admission.dismiss_execution(None, running, "one")
    assert admission.has_room("one")


async def test_a_server_that_stops_waits_for_what_is_paused(admission: Admission) -> None:
    running = admit(admission, "one")
    assert running.slot.pause(0) is None
    await admission.drain(0)
    assert (admission.state, admission.executions, admission.paused.count) == ("closing", 0, 1)
    running.slot.resume()
    admission.dismiss_execution(None, running, "one")
    await admission.drain(60)
