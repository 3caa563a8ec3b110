"""The memory that processes do not share with others, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_KB_PER_MB = 1000**2 / 1024


@dataclass(frozen=True, slots=True)
class Share:
    """What of a process's memory is its own, in MB.

    Args:
        private: pages that no other process maps.
        tables: page tables.
        proportional: its private pages and its part of those that it shares (PSS).
    """

    private: float
    tables: float
    proportional: float

    @classmethod
    def of(cls, pid: int) -> Share:
        """Look at a process; raises PermissionError if this one may not."""
        rollup = _numbers(f"/proc/{pid}/smaps_rollup")
        private = rollup["Private_Clean"] + rollup["Private_Dirty"]
        tables = _numbers(f"/proc/{pid}/status")["VmPTE"]
        return cls(private / _KB_PER_MB, tables / _KB_PER_MB, rollup["Pss"] / _KB_PER_MB)

    @property
    def own(self) -> float:
        """Private pages and page tables."""
        return self.private + self.tables


def available_mb() -> float:
    """What the machine could still give to new processes."""
    return _numbers("/proc/meminfo")["MemAvailable"] / _KB_PER_MB


def agents_and_interpreters(server: int) -> tuple[list[int], list[int]]:
    """The processes of the sandboxes of the server or engine in process ``server``.

    Below it there is a supervisor, below that an init, whose children are zygotes and agents. Interpreters are
    children of zygotes.
    """
    children: dict[int, list[int]] = {}
    names = {}
    for pid, parent, name in _processes():
        children.setdefault(parent, []).append(pid)
        names[pid] = name
    inits = [init for supervisor in children.get(server, []) for init in children.get(supervisor, [])]
    below = [pid for init in inits if names[init] == "insitu-init" for pid in children.get(init, [])]
    agents = [pid for pid in below if names[pid] == "insitu-agent"]
    zygotes = [pid for pid in below if names[pid] == "insitu-zygote"]
    return agents, [pid for zygote in zygotes for pid in children.get(zygote, [])]


def _processes() -> Iterator[tuple[int, int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended in the meantime
        before, _, after = text.rpartition(")")
        yield int(folder.name), int(after.split()[1]), before.partition("(")[2]


def _numbers(path: str) -> dict[str, int]:
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(":") for line in lines if line.endswith(" kB"))
    return {name: int(value.split()[0]) for name, _, value in pairs}
