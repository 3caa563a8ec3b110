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
    "/usr/share",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.conf.d",
    "/etc/ssl/certs",
)
_HOST_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/localtime", "/etc/mime.types")
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
    plan: Plan = {"links": dict(_LINKS), "binds": {GUEST: guest}, "copies": []}
    for path in (*_MERGED, *_HOST_FOLDERS, *_HOST_FILES, *sorted(packages, key=len)):
        if not any(path == outer or path.startswith(f"{outer}/") for outer in plan["binds"]):
            _place(plan, path)
    binds = plan["binds"]
    hidden = [path for path in binds if path.startswith(tuple(f"{outer}/" for outer in _COVERED))]
    return {**plan, "files": _FILES, "folders": _FOLDERS, "devices": _DEVICES, "hidden": hidden}


def _place(plan: Plan, path: str) -> None:
    # Every mount is copied for every sandbox: links stay links, and files are copied once instead.
    if os.path.islink(path) and os.path.isdir(path):
        plan["links"][path] = os.readlink(path)
    elif os.path.isdir(path):
        plan["binds"][path] = path
    elif os.path.isfile(path):
        plan["copies"].append(path)


def build(plan: Plan) -> None:
    """Put the root together on a tmpfs at ``STAGE``, in this process's own mount namespace."""
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    # Copies of the mounts are taken first: the stage may hide what they come from.
    quiet = linux.MOUNT_ATTR_RDONLY | linux.MOUNT_ATTR_NOSUID
    trees = {path: linux.clone_tree(source, quiet | linux.MOUNT_ATTR_NODEV) for path, source in plan["binds"].items()}
    devices = {name: linux.clone_tree(f"/dev/{name}", quiet | linux.MOUNT_ATTR_NOEXEC) for name in plan["devices"]}
    copies = {path: _read(path) for path in plan["copies"]}
    linux.mount("insitu", STAGE, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=32m")
    # The zygote's own /tmp (a font cache, say).
    os.mkdir(f"{STAGE}/tmp")
    linux.mount("insitu", f"{STAGE}/tmp", "tmpfs", _QUIET, "mode=1777,size=64m")
    for path in plan["folders"]:
        os.makedirs(STAGE + path, 0o755, exist_ok=True)
    for path, content in copies.items():
        _write(STAGE + path, content)
    for path, text in plan["files"].items():
        _write(STAGE + path, text.encode())
    for path, target in plan["links"].items():
        os.makedirs(os.path.dirname(STAGE + path), 0o755, exist_ok=True)
        os.symlink(target, STAGE + path)
    for name, fd in devices.items():
        _write(f"{STAGE}/dev/{name}", b"")
        linux.attach_tree(fd, f"{STAGE}/dev/{name}")
    for path, fd in trees.items():
        os.makedirs(STAGE + path, 0o755, exist_ok=True)
        linux.attach_tree(fd, STAGE + path)
    # A /proc that is fully visible: without one in sight, the kernel lets nobody below mount another.
    linux.mount("proc", f"{STAGE}/proc", "proc", _QUIET)
    sealed = linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("none", STAGE, None, sealed)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def enter() -> None:
    """Make the stage this process's root, for good."""
    # Mounts that came with a new user namespace are locked in place: pivot to a copy that is ours.
    linux.mount(STAGE, STAGE, None, linux.MS_BIND | linux.MS_REC)
    linux.mount("proc", f"{STAGE}/proc", "proc", _QUIET)
    linux.pivot_root(STAGE)
