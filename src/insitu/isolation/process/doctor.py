"""What this machine has of what sandboxes need: each layer is really tried, in a child process."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..platforms import NO_LINUX, USE_A_SERVER
from .attempts import in_namespaces, nothing, report_of

if TYPE_CHECKING:
    from .layers import Wall

Status = Literal["ok", "warn", "fail"]

_OLDEST_LINUX = (5, 13)
_MOUNT_POINT = "/tmp"
_DEGRADED = "; or allow less: --allow-degraded"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that sandboxes need.

    Args:
        found: what there is.
        needed: what it is for.
        mend: what to do; empty if nothing needs to be done.
    """

    name: str
    status: Status
    found: str
    needed: str = ""
    mend: str = ""


def check_machine() -> Iterator[Check]:
    """Try every layer of the process tier; the first failure may hide those that rest on it."""
    if sys.platform != "linux":
        yield Check("linux", "fail", platform.system(), NO_LINUX, USE_A_SERVER)
        return
    from .layers import find_wall

    yield _check_kernel()
    wall = find_wall(allow_degraded=True)
    users = "each sandbox has user ids of its own" if wall.root else "sandboxes share the user id of the server"
    yield Check("users", "ok", f"{'root' if wall.root else 'not root'}: {users}")
    user = _check_user_namespace(wall)
    yield user
    if user.status == "ok":
        yield from _check_namespaces(wall)
        yield _check_mounts(wall)
        yield _check_proc(wall)
    yield _check_landlock(wall)
    yield _check_seccomp(wall)
    yield _check_core_dumps()
    yield from check_cgroups()


def _check_kernel() -> Check:
    release = platform.release()
    version = tuple(int(part) for part in release.split(".")[:2] if part.isdigit())
    if version >= _OLDEST_LINUX:
        return Check("linux", "ok", release)
    oldest = ".".join(map(str, _OLDEST_LINUX))
    return Check("linux", "fail", release, f"Linux {oldest} or later", "run a newer kernel")


def _check_user_namespace(wall: Wall) -> Check:
    from .layers import explain_refusal

    needed = "sandboxes have users, and so rights, of their own"
    if (refusal := in_namespaces(wall, 0, nothing)) is None:
        return Check("user namespace", "ok", "can be made, and its users mapped", needed)
    return Check("user namespace", "fail", refusal, needed, explain_refusal(refusal).hint or "")


def _check_namespaces(wall: Wall) -> Iterator[Check]:
    from ...guest import linux

    for name, flag, needed in (
        ("mount", linux.CLONE_NEWNS, "sandboxes see no files of this machine"),
        ("pid", linux.CLONE_NEWPID, "sandboxes see no processes of this machine"),
        ("net", linux.CLONE_NEWNET, "sandboxes have no network"),
        ("ipc", linux.CLONE_NEWIPC, "sandboxes share no memory"),
        ("uts", linux.CLONE_NEWUTS, "sandboxes do not see this machine's name"),
        ("cgroup", linux.CLONE_NEWCGROUP, "sandboxes do not see their place among the control groups"),
    ):
        refusal = in_namespaces(wall, flag, nothing)
        mend = f"use a kernel with CONFIG_{name.upper()}_NS, or a container that allows it" if refusal else ""
        yield Check(f"{name} namespace", "fail" if refusal else "ok", refusal or "can be made", needed, mend)


def _check_mounts(wall: Wall) -> Check:
    from ...guest import linux

    def mount() -> None:
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
        tree = linux.clone_tree("/usr", linux.MOUNT_ATTR_RDONLY)
        linux.mount("insitu-doctor", _MOUNT_POINT, "tmpfs", 0, "size=64k")
        os.mkdir(f"{_MOUNT_POINT}/usr")
        linux.attach_tree(tree, f"{_MOUNT_POINT}/usr")

    refusal = in_namespaces(wall, linux.CLONE_NEWNS, mount)
    mend = "use Linux 5.12 or later; in a container, allow mount, open_tree, move_mount and mount_setattr"
    needed = "sandboxes have a file system of their own (tmpfs, mount_setattr)"
    return Check("mounts", "fail" if refusal else "ok", refusal or "can be made", needed, mend if refusal else "")


def _check_proc(wall: Wall) -> Check:
    from ...guest import linux

    def mount() -> None:
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
        linux.mount("proc", _MOUNT_POINT, "proc", 0)

    def mount_below_a_whole_one() -> None:
        # The supervisor is root, and puts a /proc that nothing masks in sight; the kernel then allows another.
        linux.unshare(linux.CLONE_NEWNS)
        mount()
        if refusal := in_namespaces(wall, linux.CLONE_NEWNS | linux.CLONE_NEWPID, mount):
            raise OSError(refusal)

    if wall.root:
        refusal = report_of(os.fork, mount_below_a_whole_one)
    else:
        refusal = in_namespaces(wall, linux.CLONE_NEWNS | linux.CLONE_NEWPID, mount)
    mend = "in a container, unmask /proc: --security-opt systempaths=unconfined (Docker), unmask=ALL (Podman)"
    needed = "sandboxes see their own processes"
    return Check("/proc", "fail" if refusal else "ok", refusal or "can be mounted", needed, mend if refusal else "")


def _check_landlock(wall: Wall) -> Check:
    needed = "code cannot trace or signal the processes beside it"
    if wall.landlock_abi:
        return Check("landlock", "ok", f"abi {wall.landlock_abi}", needed)
    mend = "use Linux 5.13 or later, with landlock in the boot parameter lsm="
    return Check("landlock", "fail", "none, or not switched on", needed, mend + _DEGRADED)


def _check_seccomp(wall: Wall) -> Check:
    from ...guest import linux

    def install() -> None:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        linux.seccomp_filter(wall.seccomp)

    needed = "code reaches only those system calls that it needs"
    if not wall.seccomp:
        mend = "use an x86_64 or aarch64 machine"
        return Check("seccomp", "fail", f"no filter for {platform.machine()}", needed, mend + _DEGRADED)
    if refusal := report_of(os.fork, install):
        return Check("seccomp", "fail", refusal, needed, "use a kernel with CONFIG_SECCOMP_FILTER")
    return Check("seccomp", "ok", f"allow-list for {platform.machine()}", needed)


def _check_core_dumps() -> Check:
    # The kernel spares a program that takes core dumps where the limit is 1, and not where it is 0.
    import resource

    needed = "code that crashes starts no program of this machine"
    pattern = "|"  # until it is known to be another
    with suppress(OSError):
        pattern = Path("/proc/sys/kernel/core_pattern").read_text("utf-8")
    if pattern.startswith("|") and resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        return Check("core dumps", "warn", "the hard limit is 0", needed, "LimitCORE=1, or --ulimit core=1")
    return Check("core dumps", "ok", "none", needed)


def check_cgroups(root: Path = Path("/")) -> Iterator[Check]:
    """Look for each controller of control groups; ``root`` is what to put before every path."""
    from .hierarchies import find_hierarchies, obstacle

    own = root / "proc/self"
    hierarchies = find_hierarchies((own / "mountinfo").read_text("utf-8"), (own / "cgroup").read_text("utf-8"), root)
    for name, needed in (
        ("memory", "a sandbox's memory is limited as a whole; without it, by the address space of each process"),
        ("pids", "a sandbox's processes are counted; without it, those of its user are"),
        ("cpu", "a sandbox's share of the processors is limited; without it, it is not"),
    ):
        place = next((h for h in hierarchies if name in h.controllers), None)
        if place is None:
            mend = f"boot with the controller on (cgroup_enable={name}), and let it be delegated to this process"
            yield Check(f"cgroup {name}", "warn", "not there", needed, mend)
        elif hindrance := obstacle(place):
            yield Check(f"cgroup {name}", "warn", f"v{place.version}, {hindrance}", needed, _delegate(place.version))
        else:
            yield Check(f"cgroup {name}", "ok", f"v{place.version}, {place.own}", needed)


def _delegate(version: int) -> str:
    if version == 1:
        return "run as root"
    user = "" if os.geteuid() == 0 else "--user "
    return f"give the server a group of its own: systemd-run {user}--scope -p Delegate=yes insitu serve"
