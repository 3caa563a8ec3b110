"""What a measurement is: samples, their percentiles, and the goal that they are held to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Unit = Literal["ms", "MB", "ratio", "a second"]
Statistic = Literal["p50", "p95", "p99", "rate"]
# No loop goes on for longer, whatever its number: what was not measured by then is not in `n`.
MOST_S = 45.0


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on one number of a measurement.

    Args:
        at_most: whether the number should be below the bound, and not above it.
    """

    statistic: Statistic
    bound: float
    at_most: bool = True

    def judge(self, value: float) -> dict[str, Any]:
        """Whether the value meets it, and how far from the bound the value is, in the value's unit."""
        distance = self.bound - value if self.at_most else value - self.bound
        return {
            "statistic": self.statistic,
            "at_most" if self.at_most else "at_least": self.bound,
            "met": distance >= 0,
            "by": round(abs(distance), 3),
        }


@dataclass(slots=True)
class Measurement:
    """Samples of one thing.

    Args:
        floor: the name of the measurement in the same row that this one cannot be better than.
        rate: how many a second, over the whole of the measurement.
        failures: samples that are not there because what they measure failed.
    """

    name: str
    samples: Sequence[float]
    unit: Unit = "ms"
    concurrency: int = 1
    rate: float | None = None
    failures: int = 0
    floor: str | None = None
    goals: Sequence[Goal] = ()

    def number(self, statistic: Statistic) -> float:
        """One number of it."""
        if statistic == "rate":
            return self.rate or 0.0
        return percentile(self.samples, int(statistic[1:]))

    def summary(self) -> dict[str, Any]:
        """All numbers of it, for JSON."""
        numbers = {name: round(percentile(self.samples, p), 4) for name, p in _PERCENTILES.items()}
        return {
            "name": self.name,
            "unit": self.unit,
            **numbers,
            "n": len(self.samples),
            "concurrency": self.concurrency,
            "rate_per_s": None if self.rate is None else round(self.rate, 2),
            "failures": self.failures,
            "goals": [goal.judge(self.number(goal.statistic)) for goal in self.goals],
        }


_PERCENTILES = {"min": 0, "p50": 50, "p95": 95, "p99": 99, "max": 100}


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that ``percent`` of all samples do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(slots=True)
class Row:
    """One line of the design's table: what was measured, and what beside it.

    Args:
        about: what exactly is counted, and what is not.
        layers: the sandboxes' layers of isolation while it was measured.
        missing: what could not be measured, each with the reason.
    """

    key: str
    title: str
    about: str
    measurements: list[Measurement] = field(default_factory=list)
    layers: Mapping[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, name: str, samples: Sequence[float], **details: Any) -> None:
        """Add a measurement; one without a sample is missing."""
        if samples:
            self.measurements.append(Measurement(name, samples, **details))
        else:
            self.missing.append(f"{name}: no sample")

    def summary(self) -> dict[str, Any]:
        """All of it, for JSON."""
        measured = [{**m.summary(), "times_floor": self.times_floor(m)} for m in self.measurements]
        return {
            "key": self.key,
            "title": self.title,
            "about": self.about,
            "layers": dict(self.layers),
            "seconds": round(self.seconds, 1),
            "measurements": measured,
            "missing": self.missing,
        }

    def times_floor(self, measurement: Measurement) -> float | None:
        """Its p50 as a multiple of its floor's."""
        floor = next((m for m in self.measurements if m.name == measurement.floor), None)
        return None if floor is None else round(measurement.number("p50") / floor.number("p50"), 2)


@dataclass(slots=True)
class CellRow(Row):
    """A row whose table has a line for each cell, and columns of its own."""

    cells: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**Row.summary(self), "cells": self.cells}


@dataclass(frozen=True, slots=True)
class Effort:
    """How many samples to take.

    Args:
        scale: what the usual numbers are multiplied by.
    """

    scale: float = 1.0

    def n(self, usual: int) -> int:
        """The number of samples where it is usually ``usual``; at least 1."""
        return max(1, round(usual * self.scale))


def repeat(n: int, most_s: float = MOST_S) -> Iterator[int]:
    """Count to ``n``, or as far as the time allows."""
    deadline = time.perf_counter() + most_s
    for number in range(n):
        if number and time.perf_counter() > deadline:
            return
        yield number


def paced(n: int, a_second: float) -> Iterator[float]:
    """Count to ``n`` at a steady pace; yields when each should begin, even if the one before took too long."""
    first = time.perf_counter()
    for number in repeat(n):
        due = first + number / a_second
        pause = due - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        # Being woken is not what is measured; being late because of the one before is.
        yield time.perf_counter() if pause > 0 else due


def timed(function: Callable[[], object]) -> float:
    """How long it takes, in milliseconds."""
    begun = time.perf_counter()
    function()
    return ms_since(begun)


def ms_since(begun: float) -> float:
    """Milliseconds since a moment of ``time.perf_counter``."""
    return (time.perf_counter() - begun) * 1000
