"""Where control groups are on this machine, and whether this process may make some there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

WANTED = ("memory", "pids", "cpu", "cpuacct")
_LEAF = "insitu-server"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted tree of groups.

    Args:
        own: the group that this process is in, as a folder.
        controllers: the ones of ``WANTED`` that live here.
    """

    version: int
    own: Path
    controllers: tuple[str, ...]


def find_hierarchies(mountinfo: str, membership: str, root: Path = Path("/")) -> list[Hierarchy]:
    """Where each controller lives.

    Args:
        mountinfo: the text of ``/proc/self/mountinfo``.
        membership: the text of ``/proc/self/cgroup``.
        root: what to put before every path; tests bring trees of their own.
    """
    groups = [line.split(":", 2) for line in membership.splitlines()]
    found: list[Hierarchy] = []
    missing = set(WANTED)
    for mount_root, mount_point, kind, options in _mounts(mountinfo):
        if kind == "cgroup":
            here = tuple(name for name in WANTED if name in missing and name in options)
            path = next((g[2] for g in groups if set(here) & set(g[1].split(","))), None)
        else:
            own = next((g[2] for g in groups if g[0] == "0"), None)
            here = _offered(root, mount_root, mount_point, own, missing)
            path = own
        if here and path is not None:
            found.append(Hierarchy(1 if kind == "cgroup" else 2, _place(root, mount_root, mount_point, path), here))
            missing -= set(here)
    return found


def _mounts(mountinfo: str) -> Iterable[tuple[str, str, str, list[str]]]:
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            yield left.split()[3], left.split()[4], kind, options.split(",")


def _place(root: Path, mount_root: str, mount_point: str, path: str) -> Path:
    inside = path.removeprefix(mount_root) if mount_root != "/" else path
    return root / mount_point.lstrip("/") / inside.lstrip("/")


def _offered(root: Path, mount_root: str, mount_point: str, own: str | None, missing: set[str]) -> tuple[str, ...]:
    if own is None:
        return ()
    try:
        offered = (_place(root, mount_root, mount_point, own) / "cgroup.controllers").read_text().split()
    except OSError:
        return ()
    # Version 2 counts processor time in every group, with or without a controller.
    here = [name for name in WANTED if name in offered and name in missing]
    return (*here, "cpuacct") if here and "cpuacct" in missing else tuple(here)


def obstacle(hierarchy: Hierarchy) -> str | None:
    """What keeps this process from making groups in it, if anything does; nothing is changed to find out."""
    own = above_leaf(hierarchy).own
    if not os.access(own, os.W_OK):
        return f"{own} is read-only"
    # Only the root of version 2 may hold processes and hand out controllers, and it alone has no type.
    if hierarchy.version == 1 or not (own / "cgroup.type").exists():
        return None
    others = set((own / "cgroup.procs").read_text().split()) - {str(os.getpid())}
    return f"{own} holds other processes, {len(others)} of them" if others else None


def prepare(hierarchy: Hierarchy) -> bool:
    """Whether groups can be made in it; version 2 wants this process out of the way first."""
    if not os.access(hierarchy.own, os.W_OK):
        return False
    if hierarchy.version == 1:
        return True
    try:
        enable(hierarchy.own, hierarchy.controllers)
    except OSError:
        return _step_aside(hierarchy)
    return True


def above_leaf(hierarchy: Hierarchy) -> Hierarchy:
    """The same without the leaf that this process may have stepped aside to."""
    # An engine of this process has stepped aside before.
    return replace(hierarchy, own=hierarchy.own.parent) if hierarchy.own.name == _LEAF else hierarchy


def _step_aside(hierarchy: Hierarchy) -> bool:
    # No group of version 2 but the root may hold processes and hand out controllers: move to a leaf of our own.
    leaf = hierarchy.own / _LEAF
    try:
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
        enable(hierarchy.own, hierarchy.controllers)
    except OSError:
        return False
    return True


def enable(folder: Path, controllers: tuple[str, ...]) -> None:
    """Hand controllers out to the groups below one of version 2."""
    wanted = [f"+{name}" for name in controllers if name != "cpuacct"]
    (folder / "cgroup.subtree_control").write_text(" ".join(wanted))
