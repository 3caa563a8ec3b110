"""Which layers of the wall this machine has, and what to do about those that it lacks."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from ...errors import IsolationUnavailable
from ...guest import linux
from .bpf import UnsupportedMachine, build_filter

_RANGE = 65536
# systemd leaves these ids to nobody; they are only a default, for a root that may use every id.
_FIRST_ID = 0x70000000
_CAP_SYS_ADMIN = 1 << 21


@dataclass(frozen=True, slots=True)
class Wall:
    """What every sandbox of this server gets.

    Args:
        root: whether the server is root, so that sandboxes have user ids of their own.
        id_base: the first of the host's ids that belong to sandboxes; with root only.
        landlock_abi: 0 without Landlock.
        seccomp: the filter's program; empty without it.
    """

    root: bool
    id_base: int
    landlock_abi: int
    seccomp: bytes

    @property
    def uids(self) -> list[list[int]]:
        """The id map of the zygotes' user namespace."""
        return [[0, self.id_base, _RANGE]] if self.root else [[0, os.geteuid(), 1]]

    @property
    def gids(self) -> list[list[int]]:
        """The same for groups."""
        return [[0, self.id_base, _RANGE]] if self.root else [[0, os.getegid(), 1]]


def find_wall(*, allow_degraded: bool) -> Wall:
    """What this machine can do.

    Raises:
        IsolationUnavailable: if a layer is missing and the operator has not allowed that.
    """
    root = os.geteuid() == 0 and _maps_range() and _is_capable()
    return Wall(root, _FIRST_ID if root else 0, _landlock(allow_degraded), _seccomp(allow_degraded))


def _maps_range() -> bool:
    # In a container, root's own user namespace may not reach as far as the ids that sandboxes would use.
    for line in Path("/proc/self/uid_map").read_text(encoding="utf-8").splitlines():
        inside, _, count = map(int, line.split())
        if inside <= _FIRST_ID and inside + count >= _FIRST_ID + _RANGE:
            return True
    return False


def _is_capable() -> bool:
    # Root of a container is often without the capability that namespaces and mounts take: a user like any other.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) & _CAP_SYS_ADMIN)


def _landlock(allow_degraded: bool) -> int:
    abi = linux.landlock_abi()
    if not abi and not allow_degraded:
        raise IsolationUnavailable(
            "landlock",
            f"this kernel ({platform.release()}) has no Landlock, or it is not switched on",
            hint="use Linux 5.13 or later with landlock in the boot parameter lsm=, or allow less: --allow-degraded",
        )
    return abi


def _seccomp(allow_degraded: bool) -> bytes:
    try:
        return build_filter(platform.machine())
    except UnsupportedMachine as error:
        if allow_degraded:
            return b""
        raise IsolationUnavailable(
            "seccomp", str(error), hint="use an x86_64 or aarch64 machine, or allow less: --allow-degraded"
        ) from None


def explain_refusal(message: str) -> IsolationUnavailable:
    """Turn what a supervisor says when the kernel refuses it into what an operator can do."""
    hints = [
        f"{knob} is {value}: {remedy}"
        for knob, bad, remedy in _KNOBS
        if (value := _read(f"/proc/sys/{knob}")) is not None and value in bad
    ]
    in_container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    if in_container:
        hints.append("in a container: allow unshare, mount and user namespaces (a seccomp profile), and unmask /proc")
    return IsolationUnavailable(
        "namespaces",
        f"the kernel refuses the namespaces and mounts that a sandbox is made of ({message.strip()})",
        hint="; ".join(hints)
        or "run `insitu doctor`; running as root, or with user namespaces allowed, is what it takes",
    )


_KNOBS = (
    ("kernel/unprivileged_userns_clone", ("0",), "set it to 1"),
    ("user/max_user_namespaces", ("0",), "raise it"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        ("1",),
        "set it to 0, or give this Python an AppArmor profile with `userns,`",
    ),
)


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None
