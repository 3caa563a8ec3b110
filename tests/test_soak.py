from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soak.course import PHASES
from benchmarks.soak.faults import WEIGHTS
from benchmarks.soak.footprint import climbs, trend
from benchmarks.soak.ledger import Breach, Kill, Ledger, Round, Wrong, now
from benchmarks.soak.probing import WAYS
from insitu.errors import InsituError, InvalidRequest, SandboxFailed, SessionNotFound
from insitu.types import Execution

ROOT = Path(__file__).parents[1]
CRASHED = Execution("exec_1", None, "crashed", state_kept=False, exit_code=137)
BREACHES: list[Breach] = []
# What has to occur, however short a soak is.
LOADS = {
    *("ok", "error", "timeout", "out of memory", "crash", "output flood", "result flood", "disconnect", "files"),
    *("deletion", "python turn", "shell turn", "background", "steady ok", "keeper"),
}


@pytest.mark.serial
@pytest.mark.timeout(240)
def test_a_short_soak_kills_processes_and_finds_all_as_it_should_be(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    command = [sys.executable, "-m", "benchmarks.soak", "--seconds", "10", "--seed", "7", "--json", str(path)]
    # With nothing imported ahead, a zygote is back in a moment.
    environment = {**os.environ, "INSITU_PREIMPORT": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=220)
    assert done.returncode == 0, done.stdout + done.stderr
    run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert run["breaches"] == []
    assert run["kills"] and set(run["kills"]) <= set(WEIGHTS)
    assert {way for phase in PHASES for way in run["latencies_ms"][phase]} == set(WAYS)
    assert set(run["rounds"]) == LOADS


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(BREACHES.append)


def test_an_error_is_excused_only_by_a_kill_of_what_the_round_depends_on(ledger: Ledger) -> None:
    mine, others = ledger.hold("pid:[1]", now()), ledger.hold("pid:[2]", now())
    in_mine, in_any = Round(ledger, "kind", mine), Round(ledger, "kind")
    ledger.kills.append(Kill(now(), "agent", 1, others.namespace))
    assert not in_mine.explains(SandboxFailed("died"))
    assert not in_any.explains(SandboxFailed("died"))
    ledger.kills.append(Kill(now(), "agent", 2, "pid:[3]"))
    assert not in_mine.explains(SandboxFailed("died"))
    assert in_any.explains(SandboxFailed("died"))
    ledger.kills.append(Kill(now(), "agent", 3, mine.namespace))
    assert in_mine.explains(SandboxFailed("died"))
    assert in_mine.explains(SessionNotFound("sess_1"))


@pytest.mark.parametrize("error", [InsituError("a defect"), InvalidRequest("wrong")])
def test_an_error_that_no_kill_can_cause_is_never_excused(ledger: Ledger, error: InsituError) -> None:
    round = Round(ledger, "kind")
    ledger.kills.append(Kill(now(), "init", 1))
    assert not round.explains(error)


def test_a_crash_is_excused_by_the_interpreters_death_and_not_by_the_zygotes(ledger: Ledger) -> None:
    round = Round(ledger, "kind", ledger.hold("pid:[1]", now()))
    ledger.kills.append(Kill(now(), "zygote", 1))
    with pytest.raises(Wrong, match="crashed and not ok"):
        round.expect(CRASHED, "ok")


def test_memory_that_climbs_is_told_from_memory_that_goes_up_and_down() -> None:
    steady, climbing = [100.0, 140.0] * 15, [100.0 + 4 * number for number in range(30)]
    assert [climbs(*found) for samples in (steady, climbing) if (found := trend(samples))] == [False, True]
    assert trend([100.0] * 10) is None
