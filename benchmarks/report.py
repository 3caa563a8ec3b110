"""What comes out of a run: a table on the terminal, JSON, and the table of the documentation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from .machine import BUSY, in_words, is_busy

# From others' publications. Never measured here, and never of the same thing: theirs includes a network.
PUBLISHED = (
    {
        "name": "E2B: create a sandbox",
        "ms": [150, 442],
        "source": "about 150 ms by E2B itself; 442 ms p50 (811 ms p95) with a first command and the "
        "network, by a competitor at docs.podflare.ai/architecture/comparison",
    },
)
# What a row of an earlier run keeps of the machine.
_OF_A_ROW = ("date", "commit", "load_before", "load_after")
_BEGIN, _END = "<!-- results: written by `make bench` -->\n", "<!-- /results -->"
_SIGNS = {"at_most": "≤", "at_least": "≥"}


def as_json(machine: dict[str, Any], rows: Sequence[dict[str, Any]], scale: float) -> dict[str, Any]:
    """All of a run."""
    return {"machine": machine, "scale": scale, "rows": list(rows), "published": list(PUBLISHED)}


def with_earlier(run: dict[str, Any], path: Path, order: Sequence[str]) -> dict[str, Any]:
    """A run, and of the results that are there the rows that it has not measured, which say when they were."""
    if not path.exists():
        return run
    earlier = json.loads(path.read_text(encoding="utf-8"))
    facts = {name: earlier["machine"][name] for name in _OF_A_ROW}
    rows = {row["key"]: {"measured": facts, **row} for row in earlier["rows"] if row["key"] in order}
    rows |= {row["key"]: row for row in run["rows"]}
    return {**run, "rows": [rows[key] for key in order if key in rows]}


def show(row: dict[str, Any], console: Console) -> None:
    """Print one row: its table, its goals, and under which layers it was measured."""
    console.print(f"\n{row['title']}", style="bold", highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    (first, *columns), lines = _table(row)
    table.add_column(first)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    console.print(table)
    for text, met in _goals(row):
        console.print(f"  {text}", style="green" if met else "red", highlight=False)
    for reason in row["missing"]:
        console.print(f"  not measured: {reason}", style="yellow", highlight=False)
    console.print(f"  layers: {_layers(row)}", style="dim", highlight=False)


def _value(name: str) -> Callable[[dict[str, Any]], str]:
    def text(measured: dict[str, Any]) -> str:
        unit = "" if measured["unit"] == "ratio" else f" {measured['unit']}"
        return f"{_short(measured[name])}{unit}"

    return text


def _count(measured: dict[str, Any]) -> str:
    return f"{measured['n']}" + (f" ({measured['failures']} failed)" if measured["failures"] else "")


_COLUMNS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "p50": _value("p50"),
    "p95": _value("p95"),
    "p99": _value("p99"),
    "n": _count,
    "at once": lambda measured: str(measured["concurrency"]),
    "a second": lambda measured: "" if measured["rate_per_s"] is None else _short(measured["rate_per_s"]),
    "of floor": lambda measured: "" if measured["times_floor"] is None else f"{measured['times_floor']:g}x",
}

# Of the row about round trips, whose lines are questions.
_TRIPS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "model": lambda cell: cell["model"],
    "away": lambda cell: f"{cell['away_ms']:g} ms",
    "calls": lambda cell: str(cell["calls"]),
    "loop, own": lambda cell: _seconds(cell["here_ms"]),
    "loop, hosted": lambda cell: _seconds(cell["hosted_ms"]),
    "insitu": lambda cell: _seconds(cell["insitu_ms"]),
    "gain": lambda cell: f"{cell['gain_here']:.1f}x",
    "gain, hosted": lambda cell: f"{cell['gain_hosted']:.1f}x",
    "n": lambda cell: str(cell["n"]),
}
# Of the row about fan-outs, whose lines are ways.
_FANOUT: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "way": lambda cell: cell["label"],
    "model": lambda cell: cell["model"],
    "the tool gives": lambda cell: cell["result"],
    "requests": lambda cell: str(cell["requests"]),
    "steps": lambda cell: str(cell["steps"]),
    "tokens read": lambda cell: f"{cell['prompt_tokens']:,}",
    "written": lambda cell: f"{cell['completion_tokens']:,}",
    "time": lambda cell: _seconds(cell["ms"]),
    "gain": lambda cell: f"{cell['gain']:.1f}x",
    "n": lambda cell: str(cell["n"]),
}
_CELLS = {"trips": _TRIPS, "fanout": _FANOUT}


def _seconds(ms: float) -> str:
    return f"{ms / 1000:.2f} s"


def _table(row: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The heads of its columns, and its lines."""
    if columns_of := _CELLS.get(row["key"]):
        return list(columns_of), [[text(cell) for text in columns_of.values()] for cell in row["cells"]]
    columns = list(_columns(row))
    return ["", *columns], [[m["name"], *(_COLUMNS[name](m) for name in columns)] for m in row["measurements"]]


def _columns(row: dict[str, Any]) -> Iterator[str]:
    """The columns that have something to say in this row."""
    for name, text in _COLUMNS.items():
        if any(text(measured) for measured in row["measurements"]):
            yield name


def _goals(row: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    for measured in row["measurements"]:
        for goal in measured["goals"]:
            yield f"{measured['name']}: {_judged(measured, goal)}", goal["met"]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _judged(measured: dict[str, Any], goal: dict[str, Any]) -> str:
    sign = next(sign for key, sign in _SIGNS.items() if key in goal)
    bound = next(goal[key] for key in _SIGNS if key in goal)
    unit = "a second" if goal["statistic"] == "rate" else measured["unit"].removesuffix("ratio")
    name = "" if goal["statistic"] == "rate" else f"{goal['statistic']} "
    verdict = "met by" if goal["met"] else "missed by"
    return f"{name}{sign} {bound:g} {unit}".strip() + f": {verdict} {_short(goal['by'])}"


def _layers(row: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in row["layers"].items())


def _loads(machine: dict[str, Any]) -> str:
    busy = f". **{BUSY}**" if is_busy(machine["load_before"]) else "."
    return f"load {machine['load_before'][0]:g} before, {machine['load_after'][0]:g} after{busy}"


def write_json(path: Path, run: dict[str, Any]) -> None:
    """Write all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_page(path: Path, run: dict[str, Any]) -> None:
    """Put the results into the page, between its two markers."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    path.write_text(f"{before}{_BEGIN}{as_markdown(run)}{_END}{after}", encoding="utf-8")


def as_markdown(run: dict[str, Any]) -> str:
    """The results as tables of Markdown."""
    machine = run["machine"]
    lines = [f"Measured on {machine['date'][:10]}, insitu {machine['insitu']} ({machine['commit']}).", ""]
    lines += [f"{in_words(machine)}; {_loads(machine)}", ""]
    for row in run["rows"]:
        heads, body = _table(row)
        lines += [f"### {row['title']}", "", row["about"], ""]
        if earlier := row.get("measured"):
            lines += [f"Of an earlier run: {earlier['date'][:10]} ({earlier['commit']}), {_loads(earlier)}", ""]
        lines += [f"| {' | '.join(heads)} |".replace("|  |", "| |"), f"|---|{'---:|' * (len(heads) - 1)}"]
        lines += [f"| {' | '.join(cells)} |" for cells in body]
        lines += ["", *(f"- {text}" for text, _ in _goals(row))]
        lines += [*(f"- not measured: {reason}" for reason in row["missing"]), f"- layers: {_layers(row)}", ""]
    lines += ["### Published, not measured", ""]
    lines += [f"- {published['name']}: {published['source']}" for published in run["published"]]
    return "\n".join(lines) + "\n"
