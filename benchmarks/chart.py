"""The chart of the README: how long until Python has answered, on a logarithmic scale."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The bars: row, measurement, and what the chart calls it.
_BARS = (
    ("live", "insitu", "insitu: 1+1 in a live session, HTTP"),
    ("pooled", "insitu", "insitu: new sandbox with pandas, pool, HTTP"),
    ("fresh", "insitu", "insitu: new sandbox with pandas, no pool"),
    ("live", "Jupyter kernel, by ZeroMQ", "Jupyter: 1+1 in a live kernel"),
    ("pooled", "`python -c pass`", "python -c pass"),
    ("fresh", "`python -c 'import pandas'`", "python -c 'import pandas'"),
    ("fresh", "ipykernel: start", "Jupyter: start a kernel, without pandas"),
)
_TITLE = "Until Python has answered: the median, and a line to the 99th percentile (logarithmic)"
INK, _DARK_INK = "#1f2328", "#e6edf3"
FAINT, _DARK_FAINT = "#d1d9e0", "#3d444d"
_LEFT = 0.1
OURS, PEER, PUBLISHED = "#0969da", "#8c959f", "#bf8700"
# Pictures follow the reader's scheme by themselves; what does not know the rule shows the light one.
_STYLE = f"""<style>@media (prefers-color-scheme: dark) {{
  [style*="fill: {INK}"] {{ fill: {_DARK_INK} !important }}
  [style*="stroke: {INK}"] {{ stroke: {_DARK_INK} !important }}
  [style*="stroke: {FAINT}"] {{ stroke: {_DARK_FAINT} !important }}
}}</style>"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: from nothing to ``ms``, and a line to the 99th percentile; published ones are a range."""

    label: str
    ms: float
    p99: float | None
    color: str
    begin: float | None = None


def bars(run: dict[str, Any]) -> Iterator[Bar]:
    """What of a run the chart shows."""
    measured = {(row["key"], m["name"]): m for row in run["rows"] for m in row["measurements"]}
    for key, name, label in _BARS:
        if found := measured.get((key, name)):
            color = OURS if label.startswith("insitu") else PEER
            yield Bar(label, found["p50"], found["p99"], color)
    for published in run["published"]:
        begin, end = published["ms"]
        yield Bar(f"{published['name']} (published, not measured)", end, None, PUBLISHED, begin)


def draw(run: dict[str, Any], path: Path) -> None:
    """Write the chart as SVG."""
    shown = list(bars(run))
    with picture(path, _TITLE, (8.4, 0.36 * len(shown) + 1.3)) as axes:
        for place, bar in enumerate(shown):
            _draw_bar(axes, place, bar)
        _dress(axes, [bar.label for bar in shown])


@contextmanager
def picture(path: Path, title: str, size: tuple[float, float], panels: int = 1) -> Iterator[Any]:
    """Gives the axes to draw on, or those of each panel; then writes what is on them as SVG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    settings: Any = {"svg.hashsalt": "insitu", "font.family": "sans-serif", "font.size": 10}
    with pyplot.rc_context(settings):
        figure, axes = pyplot.subplots(1, panels, figsize=size, layout="constrained")
        yield axes
        figure.suptitle(title, x=0.012, ha="left", fontsize=11, color=INK)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<defs>", f"{_STYLE}\n <defs>", 1), encoding="utf-8")


def undress(axes: Any) -> None:
    """Take away the frame and the ticks."""
    axes.tick_params(which="both", colors=INK, length=0)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_bar(axes: Any, place: int, bar: Bar) -> None:
    hatch = (
        {"hatch": "////", "fill": False, "edgecolor": bar.color, "linewidth": 1} if bar.begin else {"color": bar.color}
    )
    begin = bar.begin or _LEFT
    axes.barh(place, bar.ms - begin, left=begin, height=0.62, **hatch)
    if bar.p99 is not None:
        axes.plot([bar.ms, bar.p99], [place, place], color=INK, linewidth=1)
        axes.plot([bar.p99] * 2, [place - 0.15, place + 0.15], color=INK, linewidth=1)
    text = f"{_ms(bar.begin)} to {_ms(bar.ms)} ms" if bar.begin else f"{_ms(bar.ms)} ms"
    axes.text((bar.p99 or bar.ms) * 1.12, place, text, va="center", color=INK)


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _dress(axes: Any, labels: list[str]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(_LEFT, 9000)
    axes.set_xticks([0.1, 1, 10, 100, 1000], ["0.1", "1", "10", "100", "1000 ms"])
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    undress(axes)
