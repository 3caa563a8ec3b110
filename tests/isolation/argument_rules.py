"""What the filter answers to system calls that it allows by their arguments."""

from __future__ import annotations

import errno

from tests.isolation.filters import Arguments

CLONE_THREAD, CLONE_FORK, CLONE_VFORK = 0x3D0F00, 0x1200011, 0x4111
POINTER = 0x7FFF_1234_5678
AT_FDCWD = -100
IGNORED = -1  # it seems to work, and does nothing
RULES: list[tuple[str, Arguments, int]] = [
    *(("clone", (flags,), 0) for flags in (CLONE_THREAD, CLONE_FORK, CLONE_VFORK, 17, 17 | 0x80000000)),
    *(("clone", (flags | 17,), errno.EPERM) for flags in (0x20000, 0x02000000, 0x04000000, 0x08000000)),
    *(("clone", (flags | 17,), errno.EPERM) for flags in (0x10000000, 0x20000000, 0x40000000)),
    *(("clone", (flags | 17,), errno.EPERM) for flags in (0x2000, 0x8000, 0x800000)),
    # The kernel reads only the lower half, too.
    ("clone", (1 << 60 | CLONE_THREAD,), 0),
    *(("futex", (POINTER, operation), 0) for operation in (0, 1, 128, 129, 3, 4, 5, 137, 138, 393, 265)),
    *(("futex", (POINTER, operation), errno.ENOSYS) for operation in (2, 6, 7, 8, 11, 12, 13, 134, 140, 0x200)),
    *(("madvise", (POINTER, 4096, advice), 0) for advice in (0, 4, 8, 14, 25)),
    ("madvise", (POINTER, 4096, 12), errno.EINVAL),
    *(("mmap", (0, 4096, 3, flags, -1, 0), 0) for flags in (0x02, 0x22, 0x20022, 0x4022)),
    *(("mmap", (0, 1 << 21, 3, flags | 0x40000, -1, 0), errno.ENOMEM) for flags in (0x21, 0x22, 21 << 26 | 0x22)),
    *(("memfd_create", (POINTER, flags), 0) for flags in (0, 1, 3, 8, 16)),
    *(("memfd_create", (POINTER, flags), errno.ENOMEM) for flags in (4, 5, 21 << 26 | 4)),
    ("shmget", (0, 4096, 0o1600), 0),
    ("shmget", (0, 1 << 21, 0o5600), errno.ENOMEM),
    *(("preadv2", (-1, POINTER, 1, 0, 0, flags), 0) for flags in (0, 1, 2, 4, 16)),
    *(("preadv2", (-1, POINTER, 1, 0, 0, flags), errno.EOPNOTSUPP) for flags in (8, 9)),
    *(("fadvise64", (-1, 0, 0, advice), 0) for advice in (0, 1, 2, 3, 5)),
    ("fadvise64", (-1, 0, 0, 4), IGNORED),
    ("personality", (0xFFFFFFFF,), 0),
    ("personality", (-1,), 0),
    ("personality", (0,), 0),
    ("personality", (0x0040000,), errno.EPERM),
    ("personality", (8,), errno.EPERM),
    *(("prctl", (option,), 0) for option in (1, 2, 3, 4, 15, 16, 21, 23, 29, 30, 38, 39, 41, 42, 52)),
    *(("prctl", (option,), 0) for option in (0x53564D41, 0x41555856)),
    # SECCOMP, CAPBSET_DROP, SECUREBITS, MM, CHILD_SUBREAPER, CAP_AMBIENT, SCHED_CORE, MEMORY_MERGE, PTRACER
    *(("prctl", (option,), errno.EPERM) for option in (22, 24, 28, 35, 36, 47, 53, 59, 62, 67, 0x59616D61)),
    *(("prctl", (option,), errno.EPERM) for option in (0, 5, 14, 17, 0x53564D40, 0x53564D42, 0xFFFFFFFF)),
    *(
        (name, (pid, 1, POINTER), 0 if pid == 0 else errno.EPERM)
        for name in ("sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler")
        for pid in (0, 1, 4242, -1)
    ),
    ("setpriority", (0, 0, 5), 0),
    ("setpriority", (0, 1, 5), errno.EPERM),
    ("setpriority", (1, 0, 5), errno.EPERM),
    ("setpriority", (2, 0, 5), errno.EPERM),
    ("ioprio_set", (1, 0, 0), 0),
    ("ioprio_set", (1, 1, 0), errno.EPERM),
    ("ioprio_set", (2, 0, 0), errno.EPERM),
    ("ioprio_set", (3, 0, 0), errno.EPERM),
    ("prlimit64", (0, 7, POINTER, 0), 0),
    ("prlimit64", (0, 7, 0, POINTER), 0),
    ("prlimit64", (1, 7, 0, POINTER), 0),
    ("prlimit64", (1, 7, POINTER, 0), errno.EPERM),
    # A pointer with one half zero is not the null pointer.
    ("prlimit64", (1, 7, 0x7FFF_0000_0000, 0), errno.EPERM),
    ("prlimit64", (1, 7, 0x1000, 0), errno.EPERM),
    *((name, arguments, 0) for name, arguments in (("setrlimit", (7, POINTER)), ("prlimit64", (0, 4, 0, POINTER)))),
    ("setrlimit", (4, POINTER), IGNORED),
    *(("prlimit64", (0, 4, pointer, 0), IGNORED) for pointer in (POINTER, 0x7FFF_0000_0000, 0x1000)),
    ("prlimit64", (0, 4, POINTER, POINTER), errno.EINVAL),
    ("prlimit64", (1, 4, POINTER, 0), errno.EPERM),
    *(("mknod", (POINTER, kind | 0o644), 0) for kind in (0, 0o010000, 0o100000, 0o140000)),
    *(("mknod", (POINTER, kind | 0o644), errno.EPERM) for kind in (0o020000, 0o060000, 0o040000, 0o120000)),
    *(("mknodat", (AT_FDCWD, POINTER, kind | 0o644), 0) for kind in (0, 0o010000, 0o100000, 0o140000)),
    *(("mknodat", (AT_FDCWD, POINTER, kind | 0o644), errno.EPERM) for kind in (0o020000, 0o060000)),
    *(("fcntl", (3, command, 0), 0) for command in (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1031, 1032, 1033)),
    *(("fcntl", (3, command, 0), errno.EINVAL) for command in (1024, 1025, 1026, 1029, 1037, 12, 35, 39)),
    *(("ioctl", (3, request), 0) for request in (0x5450, 0x5451, 0x5421, 0x541B, 0x5452, 0x5401, 0x5404)),
    *(("ioctl", (3, request), 0) for request in (0x5413, 0x5414, 0x540E, 0x540F, 0x80045430, 0x40045431)),
    *(("ioctl", (3, request), 0) for request in (0x802C542A, 0x40049409, 0x8912, 0x8933)),
    # TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS, TUNSETIFF, SIOCSIFFLAGS, KVM_CREATE_VM, FS_IOC_SETFLAGS
    *(("ioctl", (3, request), errno.ENOTTY) for request in (0x5412, 0x541C, 0x5423, 0x541D, 0x400454CA)),
    *(("ioctl", (3, request), errno.ENOTTY) for request in (0x8914, 0xAE01, 0x40086602, 0, 0xFFFFFFFF)),
    # The kernel reads only the lower half, so a set upper half hides nothing.
    ("ioctl", (3, 1 << 32 | 0x5412), errno.ENOTTY),
    ("ioctl", (3, 0x8946), errno.EOPNOTSUPP),
    *(
        (name, (family, kind, 0), 0)
        for name in ("socket", "socketpair")
        for family, kind in ((1, 1), (1, 2), (1, 5), (2, 1), (2, 2), (10, 0x80001), (10, 0x80802))
    ),
    *(("socket", (family, 5, 0), errno.EPERM) for family in (2, 10)),
    *(("socket", (family, 3, 0), errno.EAFNOSUPPORT) for family in (0, 3, 4, 5, 16, 17, 31, 38, 40, 44)),
    *(("socketpair", (family, 1, 0), errno.EAFNOSUPPORT) for family in (16, 17, 30)),
    *(("socket", (family, kind, 0), errno.EPERM) for family in (1, 2, 10) for kind in (3, 10, 4, 6, 0x80803)),
    *(("socket", (2, 1, protocol), 0) for protocol in (0, 6)),
    *(("socket", (2, 1, protocol), errno.EPROTONOSUPPORT) for protocol in (132, 262, 33, 136, 255)),
    *(("setsockopt", (3, 1, option), 0) for option in (2, 4, 7, 8, 9, 13, 15, 20)),
    *(("setsockopt", (3, 1, option), errno.EPERM) for option in (26, 50, 51, 52)),
    *(("setsockopt", (3, level, option), 0) for level, option in ((6, 1), (6, 26), (41, 26), (0, 31))),
    ("setsockopt", (3, 6, 31), errno.ENOPROTOOPT),
    *(
        (name, tuple(flags if index == place else 3 for index in range(4)), answer)
        for name, place in (("sendto", 3), ("recvfrom", 3), ("sendmsg", 2), ("recvmsg", 2), ("sendmmsg", 3))
        for flags, answer in (
            (0, 0),
            (0x4040, 0),
            (1, errno.EOPNOTSUPP),
            (0x4001, errno.EOPNOTSUPP),
        )
    ),
    ("recvmmsg", (3, POINTER, 1, 0), 0),
    ("recvmmsg", (3, POINTER, 1, 1), errno.EOPNOTSUPP),
]
