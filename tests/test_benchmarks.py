from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from benchmarks import machine, report
from benchmarks.link import leading_to

ROOT = Path(__file__).parents[1]
PAGE, RESULTS = "docs/benchmarks.md", "benchmarks/results/latest.json"
PICTURES = ["docs/images/latency.svg", "docs/images/roundtrips.svg", "docs/images/fanout.svg"]
KEYS = ["fresh", "pooled", "live", "local", "functions", "throughput", "memory", "cpu", "step", "trips", "fanout"]
NUMBERS = {"min", "p50", "p95", "p99", "max"}
DETAILS = {"name", "unit", "n", "concurrency", "rate_per_s", "failures", "goals", "times_floor"}
LAYERS = {"namespaces", "users", "cgroups", "landlock", "seccomp"}

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run with the fewest samples has written what it writes."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / PAGE).parent.mkdir()
    shutil.copy(ROOT / PAGE, folder / PAGE)
    command = [sys.executable, "-m", "benchmarks", "--scale", "0.001", "--write", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=220)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    return result


def test_every_row_is_there_with_the_layers_that_were_on(run: dict[str, Any]) -> None:
    assert [row["key"] for row in run["rows"]] == KEYS
    assert {frozenset(row["layers"]) for row in run["rows"]} == {frozenset(LAYERS)}


def test_every_measurement_has_all_numbers_and_no_failure(run: dict[str, Any]) -> None:
    measured = [measurement for row in run["rows"] for measurement in row["measurements"]]
    assert {frozenset(measurement) for measurement in measured} == {frozenset(NUMBERS | DETAILS)}
    assert {measurement["failures"] for measurement in measured} == {0}
    assert all(measurement["n"] >= 1 for measurement in measured)


def test_the_machine_is_told_with_its_cost_of_forks(run: dict[str, Any]) -> None:
    facts = run["machine"]
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"cpu", "cores", "kernel", "load_before", "load_after", "busy", "date", "packages"} <= set(facts)
    assert facts["fork_us"] > 0


@pytest.mark.parametrize(("load", "marks"), [(0.2, 0), (2.0, 1)])
def test_a_run_on_a_busy_machine_is_marked_so(run: dict[str, Any], load: float, marks: int) -> None:
    page = report.as_markdown({**run, "machine": {**run["machine"], "load_before": [load, load, load]}})
    assert f"load {load:g} before, " in page
    assert page.count(machine.BUSY) == marks


def test_a_row_of_an_earlier_run_on_a_busy_machine_stays_marked(run: dict[str, Any], tmp_path: Path) -> None:
    latest = tmp_path / "latest.json"
    report.write_json(latest, {**run, "machine": {**run["machine"], "load_before": [2.0, 2.0, 2.0]}})
    quiet = {**run, "machine": {**run["machine"], "load_before": [0.2, 0.2, 0.2]}, "rows": run["rows"][:1]}
    page = report.as_markdown(report.with_earlier(quiet, latest, KEYS))
    assert page.count(machine.BUSY) == len(KEYS) - 1


def test_a_function_is_called_cold_and_warm(run: dict[str, Any]) -> None:
    row = next(row for row in run["rows"] if row["key"] == "functions")
    p50 = {measurement["name"]: measurement["p50"] for measurement in row["measurements"]}
    for call in ("plain: cold", "plain: warm", "pandas: cold", "pandas: warm"):
        assert p50[f"insitu, {call}"] > p50[f"of it inside insitu, {call}"] > p50[f"of it the code, {call}"] > 0


def test_peers_that_are_not_installed_are_named_as_missing(run: dict[str, Any]) -> None:
    missing = {row["key"] for row in run["rows"] if any(reason.startswith("ipykernel") for reason in row["missing"])}
    assert missing == (set() if find_spec("ipykernel") else {"fresh", "live", "functions", "memory"})


def test_the_page_gets_a_table_for_every_row_and_keeps_its_text(folder: Path, run: dict[str, Any]) -> None:
    before, page = ((top / PAGE).read_text(encoding="utf-8") for top in (ROOT, folder))
    assert page.startswith(before.partition("<!-- results")[0])
    assert [line[4:] for line in page.splitlines() if line.startswith("### ")][:-1] == [r["title"] for r in run["rows"]]


def test_a_question_is_asked_by_every_way_and_its_gain_is_told(run: dict[str, Any]) -> None:
    (cell,) = next(row["cells"] for row in run["rows"] if row["key"] == "trips")
    assert (cell["model"], cell["calls"], cell["away_ms"], cell["n"]) == ("at once", 1, 80, 1)
    # A connection costs a round trip, and so does each request that is made on it.
    assert cell["insitu_ms"] >= 160
    assert cell["here_ms"] >= 240
    assert cell["hosted_ms"] >= 320
    assert cell["gain_here"] == pytest.approx(cell["here_ms"] / cell["insitu_ms"], abs=0.01)


def test_a_fan_out_is_asked_by_every_way_and_its_steps_and_tokens_are_told(run: dict[str, Any]) -> None:
    cells = next(row["cells"] for row in run["rows"] if row["key"] == "fanout")
    assert {(cell["model"], cell["result"], cell["calls"], cell["away_ms"]) for cell in cells} == {
        ("at once", "a number", 20, 80)
    }
    assert [(cell["way"], cell["requests"], cell["steps"]) for cell in cells] == [
        ("steps", 21, 21),
        ("parallel", 2, 2),
        ("program", 1, 2),
        ("pausing", 2, 2),
    ]
    # A connection costs a round trip, and so does each request; calls that are made side by side take as long as one.
    for cell, waits in zip(cells, (22 * 80 + 20 * 100, 3 * 80 + 100, 2 * 80 + 100, 3 * 80 + 100), strict=True):
        assert cell["ms"] >= waits
        assert cell["gain"] == pytest.approx(cells[0]["ms"] / cell["ms"], abs=0.01)
    # All calls are written, in one step or in many, and a program is shorter; what was written before is read again.
    steps, parallel, program, pausing = cells
    assert steps["completion_tokens"] == parallel["completion_tokens"]
    assert program["completion_tokens"] == pausing["completion_tokens"] < parallel["completion_tokens"]
    assert steps["prompt_tokens"] > max(cell["prompt_tokens"] for cell in (parallel, program, pausing))


@pytest.mark.parametrize("picture", PICTURES)
def test_a_chart_is_a_picture_without_a_background(folder: Path, picture: str) -> None:
    assert ElementTree.parse(folder / picture).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in (folder / picture).read_text(encoding="utf-8")


async def test_a_link_keeps_bytes_in_order_and_brings_the_end() -> None:
    async def echo(stream: SocketStream) -> None:
        async with stream:
            async for data in stream:
                await stream.send(data)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        async with leading_to(listener.extra(SocketAttribute.local_port), 0.02) as port:
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                sent = bytes(range(256)) * 1000
                tasks.start_soon(stream.send, sent)
                received = bytearray()
                while len(received) < len(sent):
                    received += await stream.receive()
                assert received == sent
                begun = anyio.current_time()
                await stream.send(b"x")
                await stream.receive()
                assert anyio.current_time() - begun >= 0.018  # timers count in milliseconds
        tasks.cancel_scope.cancel()
