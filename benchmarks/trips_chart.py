"""The chart of round trips: how long an answer takes by how many calls it needs, for models of several speeds."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from .chart import FAINT, INK, OURS, PEER, PUBLISHED, picture, undress

AWAY_MS = 80
_TITLE = f"Seconds until the answer, by calls of Python, {AWAY_MS} ms away"
# What each way is called, and its color.
_LINES = {
    "hosted": ("client-side loop, hosted sandbox", PUBLISHED),
    "here": ("client-side loop, own sandbox", PEER),
    "insitu": ("one insitu request", OURS),
}


def draw(row: dict[str, Any], path: Path) -> None:
    """Write the chart as SVG."""
    cells = [cell for cell in row["cells"] if cell["away_ms"] == AWAY_MS]
    panels = {name: list(of_model) for name, of_model in groupby(cells, key=lambda cell: cell["about"])}
    with picture(path, _TITLE, (8.4, 3.4), len(panels)) as axes:
        shown = list(axes) if len(panels) > 1 else [axes]
        for panel, (name, of_model) in zip(shown, panels.items(), strict=True):
            _draw_panel(panel, name, of_model)
        lines, labels = shown[0].get_legend_handles_labels()
        shown[0].figure.legend(lines, labels, loc="outside lower left", ncols=3, frameon=False, labelcolor=INK)


def _draw_panel(axes: Any, name: str, cells: list[dict[str, Any]]) -> None:
    calls = [cell["calls"] for cell in cells]
    for way, (label, color) in _LINES.items():
        seconds = [cell[f"{way}_ms"] / 1000 for cell in cells]
        axes.plot(calls, seconds, color=color, linewidth=2, marker="o", markersize=4, label=label)
        axes.annotate(
            f"{seconds[-1]:.1f} s", (calls[-1], seconds[-1]), (5, 0), textcoords="offset points", va="center", color=INK
        )
    _dress(axes, name, calls)


def _dress(axes: Any, name: str, calls: list[int]) -> None:
    axes.set_title(name.replace(": ", ":\n"), fontsize=9, color=INK, loc="left")
    axes.set_xticks(calls, [str(number) for number in calls])
    axes.set_xlim(0, calls[-1] * 1.3)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("calls", color=INK)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    undress(axes)
