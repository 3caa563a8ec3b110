"""The root that zygotes and sandboxes see: the interpreter, its packages, and the few host folders they need.

A plan is plain data, made by the server and carried out, in the new mount namespace, by init or the supervisor.
"""

from __future__ import annotations

import os
from typing import Any

from insitu.guest import linux

STAGE = "/tmp"
GUEST = "/run/insitu/insitu_guest"

# Read-only views of host folders: programs and libraries, and data that libraries look for. No configuration.
_HOST_FOLDERS = (
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/share/ca-certificates",
    "/usr/share/fontconfig",
    "/usr/share/fonts",
    "/usr/share/locale",
    "/usr/share/mime",
    "/usr/share/misc",
    "/usr/share/terminfo",
    "/usr/share/zoneinfo",
    "/usr/share/perl5",
    "/usr/share/perl",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/certs",
)
_MERGED = ("/bin", "/lib", "/lib32", "/lib64")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_FOLDERS = ("/proc", "/mnt/data", "/home/user", "/dev/shm", "/run/sandbox")
# Every sandbox mounts its own things over these: packages that live below one are mounted again, on top.
_COVERED = ("/tmp", "/dev/shm", "/mnt/data", "/home/user")
_FILES = {
    "/etc/passwd": "root:x:0:0:root:/:/bin/false\nuser:x:1000:1000:user:/home/user:/bin/bash\n",
    "/etc/group": "root:x:0:\nuser:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost insitu\n::1 localhost\n",
    "/etc/hostname": "insitu\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "/etc/resolv.conf": "",
}
_LINKS = {"/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2"}

_QUIET = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC

Plan = dict[str, Any]


def plan(packages: list[str], guest: str) -> Plan:
    """What the root consists of.

    Args:
        packages: folders of the environment's interpreter and packages; each appears under its own path.
        guest: the folder of insitu's guest package.
    """
    links = dict(_LINKS)
    binds = {GUEST: guest}
    for path in _MERGED:
        if os.path.islink(path):
            links[path] = os.readlink(path)
        elif os.path.isdir(path):
            binds[path] = path
    binds |= {path: path for path in _HOST_FOLDERS if os.path.exists(path)}
    covered = [path for path in binds if path != GUEST]
    for path in sorted(packages, key=len):
        if not any(path == outer or path.startswith(f"{outer}/") for outer in covered):
            binds[path] = path
            covered.append(path)
    hidden = [path for path in binds if path.startswith(tuple(f"{outer}/" for outer in _COVERED))]
    return {
        "binds": binds,
        "links": links,
        "files": _FILES,
        "folders": _FOLDERS,
        "devices": _DEVICES,
        "hidden": hidden,
    }


def build(plan: Plan) -> None:
    """Put the root together on a tmpfs at ``STAGE``, in this process's own mount namespace."""
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    # Copies of the mounts are taken first: the stage may hide what they come from.
    quiet = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID
    trees = {path: _copy(source, quiet | linux.MOUNT_ATTR_NODEV) for path, source in plan["binds"].items()}
    devices = {name: _copy(f"/dev/{name}", quiet | linux.MOUNT_ATTR_NOEXEC) for name in plan["devices"]}
    linux.mount("insitu", STAGE, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=16m")
    # The zygote's own /tmp (a font cache, say).
    os.mkdir(f"{STAGE}/tmp")
    linux.mount("insitu", f"{STAGE}/tmp", "tmpfs", _QUIET, "mode=1777,size=64m")
    for path in plan["folders"]:
        os.makedirs(STAGE + path, 0o755, exist_ok=True)
    for path, text in plan["files"].items():
        _write(STAGE + path, text)
    for path, target in plan["links"].items():
        os.makedirs(os.path.dirname(STAGE + path), 0o755, exist_ok=True)
        os.symlink(target, STAGE + path)
    for name, (fd, _) in devices.items():
        _write(f"{STAGE}/dev/{name}", "")
        linux.attach_tree(fd, f"{STAGE}/dev/{name}")
    for path, (fd, is_folder) in trees.items():
        _mount_point(STAGE + path, is_folder)
        linux.attach_tree(fd, STAGE + path)
    # A /proc that is fully visible: without one in sight, the kernel lets nobody below mount another.
    linux.mount("proc", f"{STAGE}/proc", "proc", _QUIET)
    sealed = linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("none", STAGE, None, sealed)


def _copy(source: str, attributes: int) -> tuple[int, bool]:
    return linux.clone_tree(source, attributes), os.path.isdir(source)


def _mount_point(path: str, is_folder: bool) -> None:
    if is_folder:
        os.makedirs(path, 0o755, exist_ok=True)
    elif not os.path.exists(path):
        _write(path, "")


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def enter() -> None:
    """Make the stage this process's root, for good."""
    # Mounts that came with a new user namespace are locked in place: pivot to a copy that is ours.
    linux.mount(STAGE, STAGE, None, linux.MS_BIND | linux.MS_REC)
    linux.mount("proc", f"{STAGE}/proc", "proc", _QUIET)
    linux.pivot_root(STAGE)
