"""The last steps before user code: what a process of the sandbox gives up, in the order that works.

All of it happens in a process that is single-threaded and has read no byte of user input.
A layer that is asked for and that the kernel refuses is an ``OSError``: nothing goes on without it.
"""

from __future__ import annotations

import os
import resource
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from . import linux

# Landlock rights on files; further ones came with later versions of its ABI.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FS_ABI1, _REFER, _TRUNCATE, _IOCTL_DEV = (1 << 13) - 1, 1 << 13, 1 << 14, 1 << 15
_SCOPE_SIGNALS_AND_SOCKETS = 3

WORKSPACE, HOME = "/mnt/data", "/home/user"
WRITABLE = (WORKSPACE, HOME, "/tmp", "/dev/shm")


class Wall(NamedTuple):
    """The layers that every process with user code gets; the same for all sandboxes of one server."""

    uid: int
    landlock_abi: int
    seccomp: bytes

    def layers(self) -> dict[str, str]:
        """Each layer, in words."""
        return {
            "landlock": f"abi {self.landlock_abi}" if self.landlock_abi else "off",
            "seccomp": "allow-list" if self.seccomp else "off",
        }


def lock_down(wall: Wall, rlimits: Mapping[str, int], cgroups: Sequence[int], stdio: Sequence[int]) -> None:
    """Turn this process, a sandbox's newest, into one that may run user code.

    Args:
        rlimits: by name without its prefix; ``AS`` counts on top of what is mapped already.
        cgroups: descriptors of the session's ``cgroup.procs`` or ``tasks`` files.
        stdio: what becomes descriptor 0, 1, 2 and so on; every other one is closed.
    """
    for fd in cgroups:
        os.write(fd, b"0")
    take_stdio(stdio)
    os.chdir(WORKSPACE)
    _set_rlimits(rlimits)
    linux.become(wall.uid, wall.uid)
    # What runs in the sandbox already must not reach into this process before the filter is on: Landlock keeps it
    # out of everything that is not of its own domain; without that, only this process's being undumpable does.
    if wall.landlock_abi:
        _become_reachable()
        _enter_landlock(wall.landlock_abi)
    if wall.seccomp:
        linux.seccomp_filter(wall.seccomp)
    if not wall.landlock_abi:
        _become_reachable()


def _become_reachable() -> None:
    # Changing ids made the process undumpable, but user code needs its own /proc/self.
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    # Where memory runs out for all, user code goes before what looks after it.
    with open("/proc/self/oom_score_adj", "wb", buffering=0) as file:
        file.write(b"500")


def take_stdio(descriptors: Sequence[int]) -> None:
    """Make ``descriptors`` 0, 1, 2 and so on, and close every other one."""
    lifted: list[int] = []
    for fd in descriptors:
        while fd < len(descriptors):
            fd = os.dup(fd)
        lifted.append(fd)
    for target, fd in enumerate(lifted):
        os.dup2(fd, target, inheritable=target < 3)
    linux.close_all_from(len(descriptors))


def _set_rlimits(limits: Mapping[str, int]) -> None:
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        wanted = value + _address_space() if name == "AS" else value
        hard = resource.getrlimit(number)[1]
        capped = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(number, (capped, capped))


def _address_space() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _enter_landlock(abi: int) -> None:
    # A domain of its own for each: processes of another one, the agent above all, can't be traced or signalled.
    rights = _FS_ABI1
    for first, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        rights |= right if abi >= first else 0
    # No rules on TCP ports (ABI 4): the network namespace holds nothing but the sandbox itself.
    attributes = struct.pack("QQQ", rights, 0, _SCOPE_SIGNALS_AND_SOCKETS)
    ruleset = linux.landlock_create(attributes[: 24 if abi >= 6 else 16 if abi >= 4 else 8])
    linux.landlock_allow(ruleset, "/", _EXECUTE | _READ_FILE | _READ_DIR)
    for path in WRITABLE:
        linux.landlock_allow(ruleset, path, rights)
    linux.landlock_allow(ruleset, "/dev", (_READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV) & rights)
    linux.landlock_restrict(ruleset)
    os.close(ruleset)
