"""Control groups: version 2, version 1, and machines that have some controllers in each.

A server gets one group below its own, ``insitu-<pid>-<random>``, with the limit for all sandboxes together. In it are
``base`` (init, zygotes and agents: what must not be charged to a session) and one group for each session.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...types import Limits
from .hierarchies import Hierarchy, above_leaf, enable, find_hierarchies, prepare

_PERIOD_US = 100_000
_PEAK = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}
# On version 1 the buffers of sockets have a counter of their own, beside that of the memory: with an eighth of the
# limit there, a sandbox can hold 1.125 of it in all.
_SHARE_OF_SOCKETS = 8


@dataclass(slots=True)
class Group:
    """One group in each hierarchy that has a controller of ours."""

    folders: Mapping[str, Path]  # by controller
    versions: Mapping[str, int]
    _open: dict[str, int] = field(default_factory=dict)
    _peak_is_ours: bool = False

    def paths(self) -> list[Path]:
        """Its folders, each once."""
        return list(dict.fromkeys(self.folders.values()))

    def open_members(self) -> list[int]:
        """Descriptors of the files by which a process joins: whoever writes ``0`` there moves itself.

        The kernel checks the rights of who opened the file, so an unprivileged process can be handed one.
        """
        name = {1: "tasks", 2: "cgroup.procs"}
        folders = {path: self.versions[controller] for controller, path in self.folders.items()}
        return [os.open(path / name[version], os.O_WRONLY | os.O_CLOEXEC) for path, version in folders.items()]

    def limit(self, limits: Limits) -> None:
        """Set the limits of a session."""
        self.limit_memory(limits.memory_bytes)
        if "pids" in self.folders:
            self._write("pids", "pids.max", limits.processes)
        if "cpu" in self.folders:
            quota = int(limits.cpus * _PERIOD_US)
            if self.versions["cpu"] == 2:
                self._write("cpu", "cpu.max", f"{quota} {_PERIOD_US}")
            else:
                self._write("cpu", "cpu.cfs_quota_us", quota)

    def limit_memory(self, size: int) -> None:
        """Set the limit of memory; what is swapped counts too."""
        if "memory" not in self.folders:
            return
        if self.versions["memory"] == 2:
            self._write("memory", "memory.max", size)
            self._write_if_there("memory", "memory.swap.max", 0)
            self._write_if_there("memory", "memory.oom.group", 0)
        else:
            self._write("memory", "memory.limit_in_bytes", size)
            self._write_if_there("memory", "memory.memsw.limit_in_bytes", size)
            # What lies in the buffers of sockets counts here alone, and is counted only where there is a limit.
            self._write_if_there("memory", "memory.kmem.tcp.limit_in_bytes", size // _SHARE_OF_SOCKETS)

    def oom_kills(self) -> int:
        """Processes killed in it for want of memory."""
        if "memory" not in self.folders:
            return 0
        name = "memory.events" if self.versions["memory"] == 2 else "memory.oom_control"
        for line in (self.folders["memory"] / name).read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill":
                return int(value)
        return 0

    def reset_peak(self) -> None:
        """Forget the peak of memory, where the kernel can."""
        if "memory" not in self.folders:
            return
        try:
            # From Linux 6.12 on version 2 forgets, too, but only for the descriptor that asked: it stays open.
            os.pwrite(self._file("memory", _PEAK[self.versions["memory"]], os.O_RDWR), b"0", 0)
            self._peak_is_ours = True
        except OSError:
            self._peak_is_ours = False

    def peak(self) -> int | None:
        """The peak of memory since it was reset; None where it cannot be."""
        if not self._peak_is_ours:
            return None
        return int(self._read("memory", _PEAK[self.versions["memory"]]))

    def cpu_seconds(self) -> float | None:
        """Processor time used in it so far."""
        if "cpuacct" not in self.folders:
            return None
        if self.versions["cpuacct"] == 1:
            return int(self._read("cpuacct", "cpuacct.usage")) / 1e9
        first = self._read("cpuacct", "cpu.stat").split(b"\n", 1)[0]
        return int(first.split()[1]) / 1e6

    def remove(self) -> bool:
        """Remove the folders; False if a process is still in one."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()
        removed = True
        for path in self.paths():
            try:
                path.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                removed = False
        return removed

    def _write(self, controller: str, name: str, value: object) -> None:
        (self.folders[controller] / name).write_text(str(value))

    def _write_if_there(self, controller: str, name: str, value: object) -> None:
        if (self.folders[controller] / name).exists():
            self._write(controller, name, value)

    def _read(self, controller: str, name: str) -> bytes:
        return os.pread(self._file(controller, name, os.O_RDONLY), 256, 0)

    def _file(self, controller: str, name: str, flags: int) -> int:
        # Both are read around every execution: they stay open.
        if name not in self._open:
            self._open[name] = os.open(self.folders[controller] / name, flags | os.O_CLOEXEC)
        return self._open[name]


class Tree:
    """All the groups of one server."""

    def __init__(self, hierarchies: list[Hierarchy], total_memory: int) -> None:
        self.name = f"insitu-{os.getpid()}-{secrets.token_hex(4)}"
        self._versions = {name: h.version for h in hierarchies for name in h.controllers}
        self._tops = {name: h.own / self.name for h in hierarchies for name in h.controllers}
        self._hierarchies = hierarchies
        self._total = total_memory

    @classmethod
    def make(cls, total_memory: int, root: Path = Path("/")) -> Tree | None:
        """The groups of this server, or None where it may not make any."""
        own = root / "proc/self"
        hierarchies = find_hierarchies(
            (own / "mountinfo").read_text(encoding="utf-8"), (own / "cgroup").read_text(encoding="utf-8"), root
        )
        usable = [h for h in map(above_leaf, hierarchies) if prepare(h)]
        if not any("memory" in h.controllers for h in usable):
            return None
        for hierarchy in usable:
            _remove_leftovers(hierarchy.own, root / "proc")
        tree = cls(usable, total_memory)
        try:
            tree._make_top()
        except OSError:
            tree.remove()
            return None
        return tree

    @property
    def tops(self) -> list[str]:
        """The folders that hold all the rest."""
        return [str(path) for path in dict.fromkeys(self._tops.values())]

    def describe(self) -> str:
        """Which controllers there are, by version."""
        parts = {f"v{h.version}": [] for h in self._hierarchies}  # type: dict[str, list[str]]
        for hierarchy in self._hierarchies:
            parts[f"v{hierarchy.version}"] += [name for name in hierarchy.controllers if name != "cpuacct"]
        return "; ".join(f"{version}: {', '.join(names)}" for version, names in parts.items() if names)

    def group(self, name: str) -> Group:
        """Make a group below the top."""
        group = self._group(name)
        for path in group.paths():
            path.mkdir(exist_ok=True)
        return group

    def remove(self) -> None:
        """Remove what is left of the groups; whatever still lives in one keeps it."""
        for top in self.tops:
            _remove(top)

    def _group(self, name: str) -> Group:
        return Group({c: path / name for c, path in self._tops.items()}, self._versions)

    def _make_top(self) -> None:
        for path in dict.fromkeys(self._tops.values()):
            path.mkdir()
        for hierarchy in self._hierarchies:
            if hierarchy.version == 2:
                enable(hierarchy.own / self.name, hierarchy.controllers)
        self._group("")._write_if_there("memory", "memory.use_hierarchy", 1)  # version 1 before Linux 5.11
        self._group("").limit_memory(self._total)
        self.group("base")


def _remove_leftovers(folder: Path, processes: Path) -> None:
    # A server that is killed before its supervisor is up leaves its groups behind.
    for top in folder.glob("insitu-*-*"):
        pid = top.name.split("-")[1]
        if pid.isdecimal() and not (processes / pid).exists():
            _remove(str(top))


def _remove(top: str) -> None:
    for folder, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            continue
