"""The system calls that Python's own ``os`` lacks, each as one small function that raises ``OSError``."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_prctl = _libc["prctl"]  # a function of its own: its arguments are numbers, which `set_name` does not pass
_prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]

MACHINE = platform.machine()
# Numbers from 424 on are the same on every architecture; the older ones are not.
_OLD = {
    "x86_64": {"clone": 56, "pivot_root": 155, "capset": 126, "seccomp": 317},
    "aarch64": {"clone": 220, "pivot_root": 41, "capset": 91, "seccomp": 277},
}.get(MACHINE, {})
_PIDFD_OPEN = 434
_OPEN_TREE, _MOVE_MOUNT, _CLOSE_RANGE, _OPENAT2, _MOUNT_SETATTR = 428, 429, 436, 437, 442
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
ALL_NAMESPACES = (
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
)
_SIGCHLD = 17

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
_OPEN_TREE_CLONE, _AT_RECURSIVE, _AT_EMPTY_PATH, _MOVE_MOUNT_F_EMPTY_PATH = 1, 0x8000, 0x1000, 4
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8

RESOLVE_NO_MAGICLINKS, RESOLVE_BENEATH = 0x02, 0x08
# Beneath a folder, `..` is not resolved while anybody on the whole machine renames anything: it is to be tried again.
_TRIES = 1000

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME = 1, 4, 15
PR_CAPBSET_DROP, PR_GET_SECUREBITS, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 24, 27, 28, 38
PR_SET_CHILD_SUBREAPER = 36
_SECURE_ALL = 0xEF  # uid 0 means nothing, changing ids changes no capabilities, no ambient ones; all locked
CAP_KILL, CAP_SETGID, CAP_SETUID = 5, 6, 7


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _call(name: str, number: int, *arguments: object) -> int:
    return int(_checked(_syscall(ctypes.c_long(number), *arguments), name))


def clone(flags: int) -> int:
    """Fork into new namespaces; returns 0 in the child, and the child's pid in the parent.

    ``os.fork`` after ``unshare`` would need one fork more for a new pid namespace.
    """
    api = ctypes.pythonapi
    api.PyOS_BeforeFork()
    pid = _syscall(ctypes.c_long(_OLD["clone"]), ctypes.c_ulong(flags | _SIGCHLD), *[ctypes.c_void_p(0)] * 4)
    if pid == 0:
        api.PyOS_AfterFork_Child()
        return 0
    number = ctypes.get_errno()
    api.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, f"clone into new namespaces: {os.strerror(number)}")
    return int(pid)


def unshare(flags: int) -> None:
    """Leave the namespaces in ``flags`` for new ones."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def setns(fd: int, flags: int) -> None:
    """Join namespaces: of a pidfd's process, or the one that ``fd`` is."""
    _checked(_libc.setns(ctypes.c_int(fd), ctypes.c_int(flags)), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """The classic mount(2)."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _checked(result, f"mount {kind or 'bind'} at {target}")


def umount(target: str) -> None:
    """Detach a mount."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def clone_tree(path: str, attributes: int) -> int:
    """A detached copy of the mounts at ``path``, with ``attributes`` set on all of them; returns its descriptor."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE
    fd = _call(f"open_tree {path}", _OPEN_TREE, ctypes.c_int(-100), os.fsencode(path), ctypes.c_uint(flags))
    settings = struct.pack("QQQQ", attributes, 0, 0, 0)
    _call(
        f"mount_setattr {path}",
        _MOUNT_SETATTR,
        ctypes.c_int(fd),
        b"",
        ctypes.c_uint(_AT_EMPTY_PATH | _AT_RECURSIVE),
        settings,
        ctypes.c_size_t(len(settings)),
    )
    return fd


def attach_tree(fd: int, target: str) -> None:
    """Mount what :func:`clone_tree` gave, and close it."""
    flags = ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH)
    _call(
        f"move_mount {target}",
        _MOVE_MOUNT,
        ctypes.c_int(fd),
        b"",
        ctypes.c_int(-100),
        os.fsencode(target),
        flags,
    )
    os.close(fd)


def pivot_root(new_root: str) -> None:
    """Make ``new_root``, a mount, the root, and drop the old one."""
    os.chdir(new_root)
    _call("pivot_root", _OLD["pivot_root"], b".", b".")
    umount(".")
    os.chdir("/")


def pidfd_open(pid: int) -> int:
    """A descriptor of a process; some builds of Python lack ``os.pidfd_open``."""
    return _call("pidfd_open", _PIDFD_OPEN, ctypes.c_int(pid), ctypes.c_uint(0))


def prctl(option: int, *values: int) -> int:
    """prctl(2) with numbers."""
    return _checked(_prctl(option, *(*values, 0, 0, 0, 0)[:4]), f"prctl {option}")


def set_name(name: str) -> None:
    """Name this process, as ``ps`` shows it; 15 bytes count."""
    _libc.prctl(ctypes.c_int(PR_SET_NAME), ctypes.c_char_p(name.encode()[:15]), 0, 0, 0)


def become(uid: int, gid: int, *kept: int) -> None:
    """Take on ids and give up every capability but ``kept``, also for whatever is executed later."""
    if prctl(PR_GET_SECUREBITS) != _SECURE_ALL:
        prctl(PR_SET_SECUREBITS, _SECURE_ALL)
        _narrow_bounding_set(kept)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    low = sum(1 << capability for capability in kept)
    header, sets = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", low, low, 0, 0, 0, 0)
    _call("capset", _OLD["capset"], header, sets)
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def _narrow_bounding_set(kept: tuple[int, ...]) -> None:
    for capability in range(64):
        if capability not in kept and _prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            return  # past the last one that this kernel knows


def set_fs_ids(uid: int, gid: int) -> None:
    """Use files as this user; what else the process may do stays as it is."""
    _libc.setfsgid(ctypes.c_uint(gid))
    _libc.setfsuid(ctypes.c_uint(uid))
    # setfsuid reports no errors: asking for an impossible id returns what is in force.
    if _libc.setfsuid(ctypes.c_uint(0xFFFFFFFF)) != uid:
        raise PermissionError(f"setfsuid to {uid} did not take")


def close_all_from(first: int) -> None:
    """Close every descriptor from ``first`` on."""
    _call("close_range", _CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(0xFFFFFFFF), ctypes.c_uint(0))


def openat2(directory: int, path: str, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """Open with rules on how the path may resolve."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)
    arguments = ctypes.c_int(directory), os.fsencode(path), how, ctypes.c_size_t(len(how))
    number = errno.EAGAIN
    for _ in range(_TRIES):
        fd = _syscall(ctypes.c_long(_OPENAT2), *arguments)
        if fd >= 0:
            return int(fd)
        number = ctypes.get_errno()
        if number != errno.EAGAIN:
            break
    raise OSError(number, os.strerror(number), path)


def landlock_abi() -> int:
    """The version of Landlock that the kernel speaks; 0 if it has none."""
    return max(0, int(_syscall(ctypes.c_long(_LANDLOCK_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(1))))


def landlock_create(attributes: bytes) -> int:
    """A new ruleset's descriptor."""
    size = ctypes.c_size_t(len(attributes))
    return _call("landlock_create_ruleset", _LANDLOCK_CREATE, attributes, size, ctypes.c_uint(0))


def landlock_allow(ruleset: int, path: str, access: int) -> None:
    """Allow ``access`` at and below ``path``."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("<Qi", access, fd)
        _call("landlock_add_rule", _LANDLOCK_ADD, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0))
    finally:
        os.close(fd)


def landlock_restrict(ruleset: int) -> None:
    """Enter a new Landlock domain."""
    _call("landlock_restrict_self", _LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint(0))


def seccomp_filter(program: bytes) -> None:
    """Install a filter on this process; there is no way back."""
    # The address of the bytes themselves: a buffer would be a new type, made in every child.
    fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.cast(ctypes.c_char_p(program), ctypes.c_void_p).value)
    _call("seccomp", _OLD["seccomp"], ctypes.c_uint(1), ctypes.c_uint(0), fprog)


def collapse_huge_pages(start: int, length: int) -> bool:
    """Ask for a range to be backed by one huge page; whether it is now."""
    return bool(_libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), ctypes.c_int(25)) == 0)


def write_id_maps(pid: int, uids: list[list[int]], gids: list[list[int]]) -> None:
    """Map ids into a process's new user namespace; an extent is first id inside, first outside, count."""
    for name, extents in (("uid_map", uids), ("gid_map", gids)):
        text = "".join(f"{inside} {outside} {count}\n" for inside, outside, count in extents)
        fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        except OSError as error:
            raise OSError(error.errno, f"write {name}: {error.strerror}") from None
        finally:
            os.close(fd)
