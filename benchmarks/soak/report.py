"""What comes out of a soak: tables on the terminal, and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.measure import percentile

from .course import PHASES, Course
from .footprint import trend
from .ledger import Ledger
from .probing import WAYS

_PERCENTILES = (50, 95, 99)
_LOG_LINES = 40


def summary(course: Course, ledger: Ledger, seed: int, seconds: float) -> dict[str, Any]:
    """All of a run, for JSON."""
    return {
        "seed": seed,
        "seconds": seconds,
        "latencies_ms": {phase: {way: _latency(course, phase, way) for way in WAYS} for phase in PHASES},
        "rounds": dict(ledger.rounds),
        "excused": dict(ledger.excused),
        "kills": dict(Counter(kill.name for kill in ledger.kills)),
        "killed": [{**asdict(kill), "at": round(kill.at - ledger.begun, 2)} for kill in ledger.kills],
        "footprints": {when: found.summary() for when, found in course.footprints.items()},
        "server_mb": {"samples": course.server_mb, "thirds": trend(course.server_mb)},
        "breaches": [asdict(breach) for breach in ledger.breaches],
    }


def _latency(course: Course, phase: str, way: str) -> dict[str, float]:
    samples = course.probing.samples_ms[phase][way]
    numbers = {f"p{percent}": round(percentile(samples, percent), 2) for percent in _PERCENTILES if samples}
    return {**numbers, "n": len(samples)}


def show(run: dict[str, Any], log: str, console: Console) -> None:
    """Print it: latencies, rounds, kills, footprint, and what was wrong."""
    _show(console, "Latency of `1 + 1`, in ms", *_latencies(run))
    _show(console, "Rounds", ["", "rounds", "excused"], list(_rounds(run)))
    kills = ", ".join(f"{name} {count}" for name, count in sorted(run["kills"].items()))
    console.print(f"killed: {kills or 'nothing'}", highlight=False)
    _show(console, "Held by the server and its processes", ["", "before", "after"], list(_footprint(run)))
    if not run["breaches"]:
        console.print("all as it should be", style="green", highlight=False)
        return
    for breach in run["breaches"]:
        console.print(f"{breach['at']:.1f} s: {breach['kind']}: {escape(breach['what'])}", style="red", highlight=False)
    console.print(f"{len(run['breaches'])} breaches; seed {run['seed']}; the end of the server's log:", style="red")
    console.print(escape("\n".join(log.splitlines()[-_LOG_LINES:])), highlight=False)


def _show(console: Console, title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    console.print(f"\n{title}", style="bold", highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(heads[0])
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    console.print(table)


def _latencies(run: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    names = [f"p{percent}" for percent in _PERCENTILES]
    lines = []
    for way in WAYS:
        for phase in PHASES:
            found = run["latencies_ms"][phase][way]
            numbers = [f"{found[name]:.1f}" if name in found else "" for name in names]
            lines.append([f"{way}, {phase}", *numbers, str(found["n"])])
    return ["", *names, "n"], lines


def _rounds(run: dict[str, Any]) -> Iterator[list[str]]:
    for name in {**run["rounds"], **run["excused"]}:
        yield [name, str(run["rounds"].get(name, "")), str(run["excused"].get(name, 0))]


def _footprint(run: dict[str, Any]) -> Iterator[list[str]]:
    if len(run["footprints"]) < 2:
        return
    before, after = (_flat(run["footprints"][when]) for when in ("before", "after"))
    for name, value in before.items():
        yield [name, f"{value:g}", f"{after.get(name, 0):g}"]
    if run["server_mb"]["thirds"]:
        yield [
            "server's memory under faults: middle third, late third",
            *(f"{mb:g}" for mb in run["server_mb"]["thirds"]),
        ]


def _flat(footprint: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {"other processes": footprint["others"], "cgroups": footprint["cgroups"]}
    for kind in ("processes", "threads", "mounts", "rss_mb", "pss_mb"):
        found |= {f"{name}: {kind.replace('_mb', ', MB')}": value for name, value in footprint[kind].items()}
    return found | {f"{name}: descriptors": sum(its.values()) for name, its in footprint["descriptors"].items()}
