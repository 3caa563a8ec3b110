"""What a server and its processes hold of the machine, and whether it is what they held before."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.memory import Share

from .faults import processes
from .serving import cgroups

_KB_PER_MB = 1000**2 / 1024
_WEIGHED = ("server", "supervisor", "init", "zygote")
# A server that has been through much keeps some of what it once needed: up to so much, and such a part of it.
GROWTH_MB, GROWTH = 24.0, 0.15
# Late third of the faults' time against the middle third. One coincidence of large outputs can cost 20 MB, which
# Python's allocator keeps; a leak in every round costs more in ten minutes.
TREND_MB, TREND = 24.0, 0.03
# Threads for what blocks come as they are needed, up to 40 of them, and go when they are idle.
_MOST_THREADS = 40
_LISTENING = "0A"
# Connections to the model's server are kept for the next turn.
_UPSTREAM, _MOST_UPSTREAM = "upstream connection", 64
Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Footprint:
    """All of it by what a process is: server, supervisor, init, zygote, agent, interpreter.

    Args:
        descriptors: how many of each kind, but for connections to the model.
        upstream: those of the server; it keeps some for the next turn.
        rss_mb: resident memory of one, the largest.
        pss_mb: its private memory and its part of what it shares, where the kernel tells.
    """

    processes: Mapping[str, int]
    others: int
    cgroups: int
    threads: Mapping[str, int]
    mounts: Mapping[str, int]
    descriptors: Counts
    upstream: int
    rss_mb: Mapping[str, float]
    pss_mb: Mapping[str, float]

    @classmethod
    def take(cls, server: int, below: Mapping[int, str]) -> Footprint:
        """What there is now; ``below`` are all processes below the server."""
        pids = {"server": [server], **processes(server)}
        known = sum(map(len, pids.values())) - 1
        weighed = {name: pids[name] for name in _WEIGHED if pids[name]}
        open_here = {name: dict(sum((_descriptors(pid) for pid in its), Counter())) for name, its in pids.items()}
        upstream = open_here["server"].pop(_UPSTREAM, 0)
        return cls(
            {name: len(its) for name, its in pids.items()},
            len(below) - known,
            len(cgroups(server)),
            {name: sum(_entries(pid, "task") for pid in its) for name, its in pids.items()},
            {name: max(_mounts(pid) for pid in its) for name, its in weighed.items()},
            open_here,
            upstream,
            {name: round(max(map(rss_mb, its)), 1) for name, its in weighed.items()},
            {name: round(max(map(_pss_mb, its)), 1) for name, its in weighed.items()},
        )

    def summary(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)

    def left(self, after: Footprint) -> list[str]:
        """In what another differs from this one, in words; memory and threads have their tolerance."""
        found = []
        for name in ("processes", "others", "cgroups", "mounts", "descriptors"):
            was, now = getattr(self, name), getattr(after, name)
            if was != now:
                found.append(f"{name} were {_difference(was, now)}")
        upstream = after.upstream
        if upstream > _MOST_UPSTREAM:
            found.append(f"{upstream} connections to the model are kept; {_MOST_UPSTREAM} is the most")
        for name, count in after.threads.items():
            if count > self.threads[name] + (_MOST_THREADS if name == "server" else 0):
                found.append(f"threads of {name} were {self.threads[name]}, are {count}")
        return found

    def grown(self, after: Footprint) -> list[str]:
        """Whose memory is larger in another one than it may become, in words."""
        bounds = {name: mb * (1 + GROWTH) + GROWTH_MB for name, mb in self.rss_mb.items()}
        return [
            f"the {name} has {mb} MB of memory, had {self.rss_mb[name]} MB"
            for name, mb in after.rss_mb.items()
            if mb > bounds[name]
        ]


def trend(samples: Sequence[float]) -> tuple[float, float] | None:
    """The medians of the middle third and the late third; None for too few samples."""
    third = len(samples) // 3
    if third < 5:
        return None
    return median(samples[third : 2 * third]), median(samples[2 * third :])


def climbs(middle: float, late: float) -> bool:
    """Whether that is more than chance and load explain."""
    return late > middle * (1 + TREND) + TREND_MB


def rss_mb(pid: int) -> float:
    """A process's resident memory, in MB; 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            found = re.search(r"VmRSS:\s+(\d+)", file.read())
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return int(found[1]) / _KB_PER_MB if found else 0.0


def _difference(was: Any, now: Any) -> str:
    if not isinstance(was, Mapping):
        return f"{was}, are {now}"
    differing = [key for key in {**was, **now} if was.get(key, 0) != now.get(key, 0)]
    return "; ".join(f"{key}: {_difference(was.get(key, 0), now.get(key, 0))}" for key in differing)


def _pss_mb(pid: int) -> float:
    try:
        return Share.of(pid).proportional
    except OSError:
        return 0.0


def _mounts(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
            return len(file.readlines())
    except OSError:
        return 0


def _entries(pid: int, folder: str) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/{folder}"))
    except OSError:
        return 0


def _descriptors(pid: int) -> Counter[str]:
    found: Counter[str] = Counter()
    connections = _connections(pid)
    try:
        numbers = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for number in numbers:
        try:
            link = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        name = os.path.basename(link) if link.startswith("/") else link
        found[connections.get(link) or re.sub(r"\d+", "N", name)] += 1
    return found


def _connections(pid: int) -> dict[str, str]:
    # Of each line: the own address at 1, the state at 3, the socket's inode at 9.
    try:
        with open(f"/proc/{pid}/net/tcp", encoding="utf-8") as file:
            lines = [line.split() for line in file]
    except OSError:
        return {}
    served = {columns[1] for columns in lines if columns[3] == _LISTENING}
    return {
        f"socket:[{columns[9]}]": "client's connection" if columns[1] in served else _UPSTREAM
        for columns in lines
        if columns[3] != _LISTENING
    }
