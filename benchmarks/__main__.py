"""Runs the benchmark, prints it, and writes what the documentation shows."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from . import chart, fanout, fanout_chart, functions, latency, load, machine, report, step, trips, trips_chart
from .bench import Bench
from .measure import Effort, Row

_ROOT = Path(__file__).parents[1]
ROWS: Mapping[str, Callable[[Bench], Row]] = {
    "fresh": latency.fresh,
    "pooled": latency.pooled,
    "live": latency.live,
    "local": latency.local,
    "functions": functions.functions,
    "throughput": load.throughput,
    "memory": load.idle_memory,
    "cpu": load.computing,
    "step": step.added,
    "trips": trips.round_trips,
    "fanout": fanout.fan_out,
}
_QUICK = 0.1
_RESULTS, _PAGE = "benchmarks/results/latest.json", "docs/benchmarks.md"
_LATENCY = "docs/images/latency.svg"
# The charts of single rows.
_CHARTS: Mapping[str, tuple[str, Callable[[dict[str, Any], Path], None]]] = {
    "trips": ("docs/images/roundtrips.svg", trips_chart.draw),
    "fanout": ("docs/images/fanout.svg", fanout_chart.draw),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit code says nothing about goals, for a busy machine meets none."""
    asked = _parse(arguments)
    console = Console()
    facts = machine.facts()
    console.print(machine.in_words(facts), highlight=False)
    if facts["busy"]:
        console.print(f"load {facts['load_before'][0]:g}. {machine.BUSY}", style="yellow", highlight=False)
    rows = _measure(asked.only or list(ROWS), Effort(asked.scale), console)
    facts["load_after"] = machine.load()
    run = report.as_json(facts, rows, asked.scale)
    if asked.json:
        report.write_json(asked.json, run)
    if asked.write:
        _write(run, asked.write, console)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=f"one of: {', '.join(ROWS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="take so many times the usual number of samples")
    parser.add_argument(
        "--quick", dest="scale", action="store_const", const=_QUICK, help=f"the same as --scale {_QUICK}"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all numbers there")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=_ROOT,
        metavar="FOLDER",
        help="write benchmarks/results/latest.json, docs/benchmarks.md and the charts, by default into the repository",
    )
    return parser.parse_args(arguments)


def _measure(keys: Sequence[str], effort: Effort, console: Console) -> list[dict[str, Any]]:
    rows = []
    with ExitStack() as resources:
        bench = Bench(effort, resources)
        for key in keys:
            begun = time.perf_counter()
            row = ROWS[key](bench)
            row.seconds = time.perf_counter() - begun
            rows.append(row.summary())
            report.show(rows[-1], console)
    return rows


def _write(run: dict[str, Any], folder: Path, console: Console) -> None:
    run = report.with_earlier(run, folder / _RESULTS, list(ROWS))
    report.write_json(folder / _RESULTS, run)
    report.write_page(folder / _PAGE, run)
    chart.draw(run, folder / _LATENCY)
    written = [_RESULTS, _PAGE, _LATENCY]
    for row in run["rows"]:
        if row["key"] in _CHARTS:
            path, draw = _CHARTS[row["key"]]
            draw(row, folder / path)
            written.append(path)
    console.print(f"\nwrote {', '.join(written)}", highlight=False)


if __name__ == "__main__":
    raise SystemExit(main())
