"""What a sandbox is to be, and how its first process makes it so."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
from typing import NamedTuple

from . import linux, lockdown

_STAGE = "/run/sandbox"
_QUIET = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


class Plan(NamedTuple):
    """What one sandbox is to be."""

    wall: lockdown.Wall
    uid: int
    disk_bytes: int
    inodes: int
    rlimits: dict[str, int]
    hidden: list[str]


def set_up(plan: Plan) -> None:
    """Become the agent: another user in a place of its own, with the few rights that it needs."""
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.set_name("insitu-agent")
    os.setsid()
    os.umask(0o022)
    os.setresgid(plan.uid, plan.uid, plan.uid)
    os.setresuid(plan.uid, plan.uid, plan.uid)
    _mount_files(plan)
    linux.mount("proc", "/proc", "proc", _QUIET, "subset=pid")
    _raise_loopback()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # It kills and it starts commands as the sandbox's user; files it touches with that user's rights alone.
    linux.become(plan.uid, plan.uid, linux.CAP_KILL, linux.CAP_SETUID, linux.CAP_SETGID)
    linux.set_fs_ids(plan.wall.uid, plan.wall.uid)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def _mount_files(plan: Plan) -> None:
    # One file system, so that one size holds for all of it and a file has the same life under both names.
    options = f"mode=755,size={plan.disk_bytes},nr_inodes={plan.inodes}"
    linux.mount("insitu", _STAGE, "tmpfs", _QUIET, options)
    packages = {path: linux.clone_tree(path, 0) for path in plan.hidden}
    for name, mode, targets in (
        ("data", 0o755, lockdown.WRITABLE[:2]),
        ("tmp", 0o1777, ["/tmp"]),
        ("shm", 0o1777, ["/dev/shm"]),
    ):
        path = f"{_STAGE}/{name}"
        os.mkdir(path)
        os.chmod(path, mode)
        os.chown(path, plan.wall.uid, plan.wall.uid)
        for target in targets:
            linux.mount(path, target, None, linux.MS_BIND)
    linux.umount(_STAGE)
    for path, tree in packages.items():
        os.makedirs(path, 0o755, exist_ok=True)
        linux.attach_tree(tree, path)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sH14x", b"lo", 1))
