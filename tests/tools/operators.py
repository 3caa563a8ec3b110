"""What an operator would have written; imported by servers of the tests."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import date

import anyio

import insitu

_gate = threading.Condition()
_inside: dict[str, int] = {}
_most: dict[str, int] = {}


@dataclass
class Place:
    """Where something is."""

    name: str
    position: tuple[float, float]


@insitu.tool
def find(name: str, since: date | None = None) -> list[Place]:
    """Finds places by their names.

    Args:
        name: of the place.
        since: when it was first seen.
    """
    if name == "nowhere":
        raise LookupError(f"there is no place {name!r}")
    return [Place(f"{name} {since or 'always'}", (1.5, 2.0))]


@insitu.tool(name="size_of")
async def measure(data: bytes) -> int:
    """Counts bytes."""
    return len(data)


@insitu.tool
def meet(group: str, people: int) -> int:
    """Returns once so many are inside at the same time; the number of those it has seen."""
    with _gate:
        _inside[group] = _inside.get(group, 0) + 1
        _most[group] = max(_most.get(group, 0), _inside[group])
        _gate.notify_all()
        _gate.wait_for(lambda: _most[group] >= people)
        return _most[group]


@insitu.tool(timeout_s=0.2)
async def hang() -> None:
    """Never answers."""
    await anyio.sleep_forever()


@insitu.tool(timeout_s=0.2, at_once=2)
def block() -> None:
    """Never answers, and holds a thread."""
    time.sleep(10)


@insitu.tool
def leave() -> None:
    """Ends the process, or so it thinks."""
    raise SystemExit(3)


@insitu.tool
def leak() -> None:
    """Fails, and tells more than it should."""
    raise ValueError("cannot ask insitu with the key sesame-open-sesame")


@insitu.tool
def garbage() -> object:
    """Returns what has no form."""
    return threading.Lock()


@insitu.tool(max_bytes=1000)
def large(size: int) -> str:
    """Returns so many letters."""
    return "x" * size


@insitu.tool(max_bytes=7 << 20)
def bulk(size: int) -> str:
    """Returns very many letters."""
    return "x" * size


@insitu.tool(rate="3/h")
def rare() -> str:
    """May be called seldom."""
    return "once"
