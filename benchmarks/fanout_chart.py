"""The chart of fan-outs: how long an answer takes, and how many tokens, by the way in which a tool is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .chart import FAINT, INK, OURS, PEER, picture, undress

_LABELS = {
    "steps": "loop: one call a step",
    "parallel": "loop: parallel calls\nin one step",
    "program": "insitu: one program,\nthe server's tool",
    "pausing": "insitu: one program,\nthe client's function",
}
_COLORS = {"steps": PEER, "parallel": PEER, "program": OURS, "pausing": OURS}
_HEIGHT = 0.36
# The lighter of two bars.
_LIGHT = 0.45
Cell = dict[str, Any]


def draw(row: dict[str, Any], path: Path) -> None:
    """Write the chart as SVG."""
    cells: list[Cell] = row["cells"]
    first = cells[0]
    title = f"{first['calls']} calls of a tool that takes {first['latency_ms']} ms, {first['away_ms']} ms away"
    models, results = (list(dict.fromkeys(cell[key] for cell in cells)) for key in ("model", "result"))
    with picture(path, title, (8.4, 3.3), 2) as (seconds, tokens):
        records = [cell for cell in cells if cell["result"] == results[-1]]
        by_model = [[cell for cell in records if cell["model"] == model] for model in models]
        _draw_panel(seconds, f"Seconds until the answer,\nby model: {_two(models)}", by_model, _ms, _in_seconds)
        of_model = [cell for cell in cells if cell["model"] == models[0]]
        by_result = [[cell for cell in of_model if cell["result"] == result] for result in results]
        _draw_panel(
            tokens,
            f"Tokens read and written in all,\nby what the tool gives: {_two(results)}",
            by_result,
            _tokens,
            "{:,.0f}".format,
        )
        tokens.set_yticklabels([])


def _draw_panel(
    axes: Any, name: str, groups: list[list[Cell]], value: Callable[[Cell], float], text: Callable[[float], str]
) -> None:
    most = max(value(cell) for cells in groups for cell in cells)
    for index, cells in enumerate(groups):
        alpha = 1.0 if index == len(groups) - 1 else _LIGHT
        for place, cell in enumerate(cells):
            at = place + (index - (len(groups) - 1) / 2) * _HEIGHT
            axes.barh(at, value(cell), height=_HEIGHT * 0.9, color=_COLORS[cell["way"]], alpha=alpha)
            axes.text(value(cell) + most * 0.02, at, text(value(cell)), va="center", fontsize=8.5, color=INK)
    axes.set_title(name, fontsize=9, color=INK, loc="left")
    axes.set_yticks(range(len(groups[0])), [_LABELS[cell["way"]] for cell in groups[0]])
    axes.set_xlim(0, most * 1.2)
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.invert_yaxis()
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    undress(axes)


def _two(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (light), {names[1]}"


def _ms(cell: Cell) -> float:
    return float(cell["ms"]) / 1000


def _in_seconds(value: float) -> str:
    return f"{value:.2f} s"


def _tokens(cell: Cell) -> float:
    return float(cell["prompt_tokens"] + cell["completion_tokens"])
