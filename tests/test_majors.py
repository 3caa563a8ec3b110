"""What clients can do, seen once more with another of their majors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.conformance import RECORD, Row, modules_of_other_majors, recorded
from tests.support.majors import environment_with, needs_majors

TIMEOUT_S = 300


def shown(rows: list[Row]) -> dict[tuple[int, str, int], tuple[str, ...]]:
    return {row.place: row.shows for row in rows}


@needs_majors
@pytest.mark.timeout(TIMEOUT_S + 30)
def test_clients_of_other_majors_do_what_the_table_says(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    given: Path | None = pytestconfig.getoption("conformance")
    noted = given or tmp_path / "clients.json"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "shows"]
    command += ["--basetemp", str(tmp_path / "tests"), "--conformance", str(noted), *modules_of_other_majors()]
    run = subprocess.run(
        command, env=environment_with(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert run.returncode == 0, f"{run.stdout[-10_000:]}{run.stderr[-2_000:]}"
    found, told = shown(recorded(noted)), shown(recorded(RECORD))
    assert found == {place: told.get(place) for place in found}, "run `make clients`"
