"""The kernel's surface: calls that no program of a data analyst needs."""

from __future__ import annotations

from tests.attacks.attack import Attack, Layer, tried
from tests.attacks.stand import Stand

RINGS = (
    Attack(
        what="set up an io_uring",
        stopped_by=Layer.SECCOMP,
        code="syscall('io_uring_setup', 8, b'\\0' * 120)",
        answers=["EPERM"],
    ),
    Attack(
        what="enter and register an io_uring that somebody else might have left open",
        stopped_by=Layer.SECCOMP,
        code="""
        {syscall("io_uring_enter", fd, 1, 0, 0, None, 0) for fd in range(64)} | {
            syscall("io_uring_register", fd, 0, None, 0) for fd in range(64)}
        """,
        answers=[{"EPERM"}],
    ),
    Attack(
        what="submit through the old asynchronous i/o",
        stopped_by=Layer.SECCOMP,
        code="""
        context = _ctypes.c_ulong()
        [syscall("io_setup", 8, _ctypes.byref(context)), syscall("io_submit", 0, 0, None),
         syscall("io_getevents", 0, 0, 0, None, None), syscall("io_destroy", 0)]
        """,
        answers=[["EPERM"] * 4],
    ),
)

PROGRAMS = (
    Attack(
        what="stall the kernel in a page fault by userfaultfd",
        stopped_by=Layer.SECCOMP,
        code="[syscall('userfaultfd', flags) for flags in (0, 1, 0o2000001)]",
        answers=[["EPERM"] * 3],
    ),
    Attack(
        what="load a program or a map into the kernel by bpf",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        returns = _ctypes.create_string_buffer(bytes.fromhex("b700000000000000") + bytes.fromhex("9500000000000000"))
        licence = _ctypes.create_string_buffer(b"GPL")
        program = struct.pack("IIQQIIQ", 1, 2, _ctypes.addressof(returns), _ctypes.addressof(licence), 0, 0, 0)
        [syscall("bpf", 0, struct.pack("IIII", 2, 4, 4, 1), 16), syscall("bpf", 5, program, len(program))]
        """,
        answers=[["EPERM"] * 2],
    ),
    Attack(
        what="attach a program to a socket",
        stopped_by=Layer.SECCOMP,
        code="""
        import socket, struct
        returns = _ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0xFFFF))
        program = struct.pack("HxxxxxxP", 1, _ctypes.addressof(returns))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            answer = [attempt(one.setsockopt, 1, option, program) for option in (26, 50, 51, 52)]
        answer
        """,
        answers=[["EPERM"] * 4],
    ),
    Attack(
        what="count events of the processor and of others by perf",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        clock = struct.pack("IIQ", 1, 120, 0) + bytes(24) + struct.pack("Q", 0x60) + bytes(72)
        [syscall("perf_event_open", clock, pid, -1, -1, 0) for pid in (0, 1, -1)]
        """,
        answers=[["EPERM"] * 3],
    ),
    Attack(
        what="have the kernel listen at calls by a filter of its own, or replace the filter",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        allow = _ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
        program = struct.pack("HxxxxxxP", 1, _ctypes.addressof(allow))
        strict, listener, plain = [syscall("seccomp", *a) for a in ((0, 0, None), (1, 8, program), (1, 0, program))]
        [strict, listener, plain, syscall("prctl", 22, 1, None), syscall("prctl", 22, 2, program)]
        """,
        answers=[["EPERM"] * 5],
    ),
    Attack(
        what="stack up domains of Landlock until there is no room for more",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        made = syscall("landlock_create_ruleset", struct.pack("Q", 1), 8, 0)
        {made, *(syscall("landlock_restrict_self", fd, 0) for fd in range(20)),
         syscall("landlock_add_rule", 3, 1, None, 0)}
        """,
        answers=[{"EPERM"}],
    ),
)

KEYS = (
    Attack(
        what="keep a key in the kernel, and look for those of others",
        stopped_by=Layer.SECCOMP,
        code="""
        [syscall("add_key", b"user", b"name", b"secret", 6, -3), syscall("request_key", b"user", b"name", None, -3),
         *(syscall("keyctl", operation, ring) for operation in (0, 6, 11) for ring in (-1, -3, -4, -5))]
        """,
        answers=[["EPERM"] * 14],
    ),
)

NAMESPACES = (
    Attack(
        what="leave its namespaces for new ones, a user namespace above all",
        stopped_by=Layer.SECCOMP,
        code="""
        kinds = (0x20000, 0x80, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x7E020000)
        [syscall("unshare", kind) for kind in kinds]
        """,
        answers=[["EPERM"] * 9],
    ),
    Attack(
        what="clone a child into new namespaces",
        stopped_by=Layer.SECCOMP,
        code="""
        kinds = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x7E020000)
        [syscall("clone", kind | upper | 17, None, None, None, None) for kind in kinds for upper in (0, 1 << 32)]
        """,
        answers=[["EPERM"] * 16],
    ),
    Attack(
        what="clone a child that is its parent's, or traced, or never to be traced",
        stopped_by=Layer.SECCOMP,
        code="[syscall('clone', kind | 17, None, None, None, None) for kind in (0x2000, 0x8000, 0x800000)]",
        answers=[["EPERM"] * 3],
    ),
    Attack(
        what="hide the flags of a clone from the filter behind clone3's pointer; threads start all the same",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct, threading
        seen = []
        thread = threading.Thread(target=seen.append, args=["started"])
        thread.start(); thread.join()
        [syscall("clone3", struct.pack("QQQQQQQQ", flags, 0, 0, 0, 17, 0, 0, 0), 64)
         for flags in (0, 0x10000000)] + seen
        """,
        answers=[["ENOSYS", "ENOSYS", "started"]],
    ),
    Attack(
        what="join the namespaces of the first process",
        stopped_by=Layer.SECCOMP,
        code="""
        pidfd = os.pidfd_open(1) if hasattr(os, "pidfd_open") else 0
        own = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("user", "mnt", "pid", "net")]
        {syscall("setns", fd, flags) for fd in (pidfd, *own) for flags in (0, 0x10000000, 0x7E020000)}
        """,
        answers=[{"EPERM"}],
    ),
    Attack(
        what="list the kernel's mounts by their ids",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        asked = struct.pack("IIQQQ", 32, 0, 0xFFFFFFFFFFFFFFFF, 0, 0)
        [syscall("listmount", asked, _ctypes.create_string_buffer(512), 64, 0),
         syscall("statmount", asked, _ctypes.create_string_buffer(512), 512, 0)]
        """,
        answers=[["EPERM"] * 2],
    ),
    Attack(
        what="open files by handles, which know of no root",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        handle, mount = _ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136), _ctypes.c_int()
        root = struct.pack("IiII", 8, 1, 2, 0)
        [syscall("name_to_handle_at", -100, b"/usr", handle, _ctypes.byref(mount), 0),
         *(syscall("open_by_handle_at", fd, root, 0) for fd in (0, os.open("/usr", os.O_RDONLY)))]
        """,
        answers=[["EPERM"] * 3],
    ),
)

MACHINE = (
    Attack(
        what="load a module into the kernel, and unload one",
        stopped_by=Layer.SECCOMP,
        code="""
        with open("/usr/bin/env", "rb") as file:
            answer = [syscall("init_module", b"\\x7fELF", 4, b""), syscall("finit_module", file.fileno(), b"", 0)]
        answer + [syscall("delete_module", b"loop", 0o4000)]
        """,
        answers=[["EPERM"] * 3],
    ),
    Attack(
        what="boot another kernel",
        stopped_by=Layer.SECCOMP,
        code="""
        [syscall("kexec_load", 0, 0, None, 0), syscall("kexec_file_load", 0, -1, 0, b"", 4),
         *(syscall("reboot", 0xFEE1DEAD, 672274793, how, None) for how in (0, 0x89ABCDEF, 0x45584543))]
        """,
        answers=[["EPERM"] * 5],
    ),
    Attack(
        what="turn swapping, accounting and quotas on and off",
        stopped_by=Layer.SECCOMP,
        code="""
        [syscall("swapon", b"/mnt/data/swap", 0), syscall("swapoff", b"/dev/zero"), syscall("acct", b"/mnt/data/log"),
         syscall("acct", None), syscall("quotactl", 0x80000100, b"/dev/zero", 0, None),
         syscall("quotactl_fd", 0, 0, 0, None)]
        """,
        answers=[["EPERM"] * 6],
    ),
    Attack(
        what="set the machine's clock and its name",
        stopped_by=Layer.SECCOMP,
        code="""
        import struct
        now = struct.pack("qq", 0, 0)
        [syscall("settimeofday", now, None), syscall("clock_settime", 0, now), syscall("adjtimex", b"\\0" * 208),
         syscall("clock_adjtime", 0, b"\\0" * 208), syscall("sethostname", b"mine", 4),
         syscall("setdomainname", b"mine", 4)]
        """,
        answers=[["EPERM"] * 6],
    ),
    Attack(
        what="read the kernel's messages, and silence them",
        stopped_by=Layer.SECCOMP,
        code="[syscall('syslog', action, _ctypes.create_string_buffer(64), 64) for action in (2, 3, 4, 5, 6, 9, 10)]",
        answers=[["EPERM"] * 7],
    ),
    Attack(
        what="hang up the terminals, flush every disk",
        stopped_by=Layer.SECCOMP,
        code="[syscall('vhangup'), syscall('sync'), syscall('syncfs', os.open('/usr', os.O_RDONLY))]",
        answers=[["EPERM"] * 3],
    ),
)

STRANGE = (
    Attack(
        what="make calls that were dropped long ago",
        stopped_by=Layer.SECCOMP,
        code="""
        names = {"nfsservctl", "lookup_dcookie", "_sysctl", "uselib", "sysfs", "ustat", "vserver", "afs_syscall",
                 "create_module", "query_module", "get_kernel_syms", "epoll_ctl_old", "epoll_wait_old"}
        {syscall(name, 0, 0, 0, 0) for name in names & _numbers.keys()}
        """,
        answers=[{"EPERM"}],
    ),
    Attack(
        what="make a call from the future",
        stopped_by=Layer.SECCOMP,
        code="{syscall(number, 0, 0, 0, 0) for number in (max(_numbers.values()) + 1, 600, 999, 4096, 0x3FFFFFFF)}",
        answers=[{"ENOSYS"}],
    ),
)

ATTACKS = (*RINGS, *PROGRAMS, *KEYS, *NAMESPACES, *MACHINE, *STRANGE)


@tried(ATTACKS)
async def test_kernel(stand: Stand, attack: Attack) -> None:
    await stand.withstands(attack)
