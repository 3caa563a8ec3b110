from __future__ import annotations

import errno
import importlib.util
import json
import os
import platform
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from insitu.isolation.process.seccomp import (
    ALLOWED,
    ARGUMENT_RULES,
    UNIMPLEMENTED,
    UnsupportedMachine,
    _Program,
    build_filter,
)
from insitu.isolation.process.syscalls import TABLES

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
DENIED, MISSING = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386, ARM = 0x40000003, 0x40000028
MACHINE = platform.machine()
EVERYWHERE = pytest.mark.parametrize("machine", TABLES)
HERE = pytest.mark.skipif(
    sys.platform != "linux" or MACHINE not in TABLES, reason="needs Linux on a machine that the filter knows"
)

Arguments = tuple[int, ...]


class LooksAtArguments(Exception):
    pass


@cache
def _decoded(program: bytes) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("<HBBI", program))


def interpret(program: bytes, number: int, arguments: Arguments | None = (), architecture: int | None = None) -> int:
    """What the kernel would answer; with ``None`` for arguments, looking at one raises."""
    if architecture is None:
        architecture = next(ARCHITECTURES[machine] for machine in TABLES if build_filter(machine) == program)
    padded = [value & (1 << 64) - 1 for value in (*(arguments or ()), 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    code, position, accumulator = _decoded(program), 0, 0
    while True:
        operation, yes, no, value = code[position]
        position += 1
        if operation == 0x20:
            if arguments is None and value >= 16:
                raise LooksAtArguments
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x05:
            position += value
        elif operation == 0x15:
            position += yes if accumulator == value else no
        elif operation == 0x35:
            position += yes if accumulator >= value else no
        elif operation == 0x06:
            return value
        else:
            raise AssertionError(f"operation {operation:#x} is not one that the filter may use")


def _expected(name: str) -> int:
    if name in ALLOWED:
        return ALLOW
    return MISSING if name in UNIMPLEMENTED else DENIED


@EVERYWHERE
def test_every_known_call_is_allowed_denied_or_depends_on_its_arguments(machine: str) -> None:
    """The program for aarch64 can only be interpreted on another machine: there it is never installed."""
    program = build_filter(machine)
    for name, number in TABLES[machine].items():
        if name in ARGUMENT_RULES:
            with pytest.raises(LooksAtArguments):
                interpret(program, number, None)
        else:
            assert (name, interpret(program, number, None)) == (name, _expected(name))


@EVERYWHERE
def test_a_number_that_no_table_holds_is_not_implemented(machine: str) -> None:
    known = set(TABLES[machine].values())
    strange = {number for number in range(1200) if number not in known} | {0x3FFFFFFF}
    assert {470, 999} <= strange
    assert {interpret(build_filter(machine), number, None) for number in strange} == {MISSING}


@EVERYWHERE
@pytest.mark.parametrize("architecture", [I386, ARM, 0, 0xFFFFFFFF])
def test_a_call_made_for_another_architecture_kills(machine: str, architecture: int) -> None:
    program = build_filter(machine)
    answers = {interpret(program, number, None, architecture) for number in range(600)}
    assert answers == {KILL}


def test_each_machine_kills_the_others_calls() -> None:
    assert interpret(build_filter("x86_64"), 0, None, ARCHITECTURES["aarch64"]) == KILL
    assert interpret(build_filter("aarch64"), 0, None, ARCHITECTURES["x86_64"]) == KILL


@pytest.mark.parametrize("number", [0, 39, 469, 512, 547, 0x3FFFFFFF])
def test_x32_calls_kill(number: int) -> None:
    assert interpret(build_filter("x86_64"), number | 0x40000000, None) == KILL
    assert interpret(build_filter("aarch64"), number | 0x40000000, None) == MISSING


@pytest.mark.parametrize("machine", ["riscv64", "arm64", "i686", ""])
def test_another_machine_is_refused(machine: str) -> None:
    with pytest.raises(UnsupportedMachine, match="x86_64 and aarch64 only"):
        build_filter(machine)


@EVERYWHERE
def test_the_program_is_one_that_the_kernel_takes(machine: str) -> None:
    code = _decoded(build_filter(machine))
    assert len(code) < 400
    for position, (operation, yes, no, value) in enumerate(code):
        furthest = value if operation == 0x05 else max(yes, no)
        assert operation == 0x06 or position + 1 + furthest < len(code)
    assert code[-1][0] == 0x06


def test_far_jumps_arrive() -> None:
    program = _Program()
    returns = [program._return(ERRNO | number) for number in range(7)]
    spans = [(number, returns[number % 7]) for number in range(3000)]
    program._put(0x20, 0, before=program._search(spans))
    code = b"".join(reversed(program._reversed))
    answers = [interpret(code, number, None, architecture=0) for number in range(3000)]
    assert answers == [ERRNO | number % 7 for number in range(3000)]


def test_no_name_is_misspelt_or_listed_twice() -> None:
    known = {name for table in TABLES.values() for name in table}
    assert known >= ALLOWED | ARGUMENT_RULES.keys() | UNIMPLEMENTED
    assert not ALLOWED & ARGUMENT_RULES.keys()
    assert not UNIMPLEMENTED & (ALLOWED | ARGUMENT_RULES.keys())


FORBIDDEN = """
    io_uring_setup io_uring_enter io_uring_register io_setup io_submit userfaultfd bpf perf_event_open
    keyctl add_key request_key ptrace process_vm_readv process_vm_writev process_madvise process_mrelease
    pidfd_getfd kcmp mount umount2 pivot_root chroot open_tree open_tree_attr move_mount mount_setattr
    fsopen fsconfig fsmount fspick statmount listmount setns unshare init_module finit_module delete_module
    kexec_load kexec_file_load reboot swapon swapoff acct quotactl quotactl_fd iopl ioperm modify_ldt
    open_by_handle_at name_to_handle_at fanotify_init fanotify_mark splice tee vmsplice mbind migrate_pages
    move_pages set_mempolicy set_mempolicy_home_node syslog settimeofday clock_settime adjtimex clock_adjtime
    capset sethostname setdomainname vhangup seccomp landlock_create_ruleset landlock_add_rule
    landlock_restrict_self lsm_set_self_attr memfd_secret remap_file_pages lookup_dcookie sync syncfs
"""


@EVERYWHERE
def test_what_reaches_the_kernels_depths_or_other_processes_is_denied(machine: str) -> None:
    numbers = {name: TABLES[machine][name] for name in FORBIDDEN.split() if name in TABLES[machine]}
    answers = {name: interpret(build_filter(machine), number, None) for name, number in numbers.items()}
    assert answers == dict.fromkeys(numbers, DENIED)


CLONE_THREAD, CLONE_FORK, CLONE_VFORK = 0x3D0F00, 0x1200011, 0x4111
POINTER = 0x7FFF_1234_5678
AT_FDCWD = -100
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


@EVERYWHERE
def test_rules_on_arguments(machine: str) -> None:
    program, table = build_filter(machine), TABLES[machine]
    for name, arguments, number in RULES:
        if name in table:
            answer = interpret(program, table[name], arguments)
            assert (name, arguments, answer) == (name, arguments, ERRNO | number if number else ALLOW)


def test_every_rule_is_tried_both_ways() -> None:
    tried = {(name, bool(number)) for name, _, number in RULES}
    assert tried == {(name, denied) for name in ARGUMENT_RULES for denied in (False, True)}


def _header(path: Path) -> Iterator[tuple[str, int]]:
    if not path.exists():
        pytest.skip(f"no kernel headers at {path}")
    for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)$", path.read_text("utf-8"), re.MULTILINE):
        yield {"fstatat": "newfstatat"}.get(name, name), int(number)


def test_the_table_for_x86_64_agrees_with_the_kernels_headers() -> None:
    for name, number in _header(Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")):
        assert (name, TABLES["x86_64"][name]) == (name, number)


def test_the_table_for_aarch64_agrees_with_the_kernels_headers() -> None:
    only_32_bit = {"sync_file_range2", "syscalls", "arch_specific_syscall"}
    table = TABLES["aarch64"]
    for name, number in _header(Path("/usr/include/asm-generic/unistd.h")):
        if not name.endswith("time64") and name not in only_32_bit and not 402 < number < 424:
            assert (name, table.get(name)) == (name, number)


# Installs the filter and executes Python anew, so that even the loader runs under it.
LAUNCH = """
import ctypes, json, os, struct, sys
number, program, *command = sys.argv[1:]
program = bytes.fromhex(program)
buffer = ctypes.create_string_buffer(program, len(program))
fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.syscall(int(number), 1, 0, fprog):
    raise OSError(ctypes.get_errno(), "no filter")
os.execv(sys.executable, [sys.executable, *command])
"""

CALL = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return ctypes.get_errno() if result == -1 else 0
"""


def confined(folder: Path, code: str, *arguments: str, machine: str = MACHINE) -> subprocess.CompletedProcess[str]:
    """Run a script under the filter, from its interpreter's first instruction on."""
    script = folder / "script.py"
    script.write_text(code, "utf-8")
    launch = [sys.executable, "-c", LAUNCH, str(TABLES[MACHINE]["seccomp"]), build_filter(machine).hex()]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TMPDIR": str(folder)}
    return subprocess.run(
        [*launch, str(script), *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def results(folder: Path, calls: list[tuple[str, Arguments]]) -> list[int]:
    """The error numbers, 0 for none, that raw system calls give under the filter."""
    numbered = json.dumps([(TABLES[MACHINE][name], *arguments) for name, arguments in calls])
    run = confined(folder, CALL + "print([call(*each) for each in json.loads(sys.argv[1])])", numbered)
    assert (run.returncode, run.stderr) == (0, "")
    return [int(number) for number in json.loads(run.stdout)]


@HERE
def test_denied_calls_fail_with_eperm(tmp_path: Path) -> None:
    # vhangup has no harmless arguments, should it run; about its own probes the kernel asks no filter.
    left_out = {"vhangup", "uretprobe", "uprobe"}
    names = sorted(TABLES[MACHINE].keys() - ALLOWED - ARGUMENT_RULES.keys() - UNIMPLEMENTED - left_out)
    answers = results(tmp_path, [(name, (-1,) * 6) for name in names])
    assert dict(zip(names, answers, strict=True)) == dict.fromkeys(names, errno.EPERM)


@HERE
def test_rules_on_arguments_hold_in_the_kernel(tmp_path: Path) -> None:
    # A denied call never runs, so it is safe to make; one that is allowed might do something.
    denied = [rule for rule in RULES if rule[2] and rule[0] in TABLES[MACHINE]]
    answers = results(tmp_path, [(name, arguments) for name, arguments, _ in denied])
    assert [(*rule[:2], answer) for rule, answer in zip(denied, answers, strict=True)] == denied


@HERE
def test_harmless_calls_with_rules_are_let_through(tmp_path: Path) -> None:
    calls: list[tuple[str, Arguments]] = [
        ("personality", (0xFFFFFFFF,)),
        ("prctl", (3,)),
        ("setpriority", (0, 0, 0)),
        ("prlimit64", (0, 7, 0, 0)),
        ("prlimit64", (os.getpid(), 7, 0, 0)),
        ("fcntl", (1, 1)),
        ("socket", (1, 1, 0)),
        ("socket", (2, 2, 17)),
    ]
    assert results(tmp_path, calls) == [0] * len(calls)


@HERE
def test_newer_calls_and_clone3_are_not_implemented_yet_threads_start(tmp_path: Path) -> None:
    code = (
        CALL
        + """
import threading
seen = []
thread = threading.Thread(target=seen.append, args=("started",))
thread.start()
thread.join()
print([call(int(number), 0, 0) for number in sys.argv[1:]], seen)
"""
    )
    run = confined(tmp_path, code, "435", "470", "999", str(TABLES[MACHINE]["get_mempolicy"]))
    assert (run.stdout, run.stderr) == ("[38, 38, 38, 38] ['started']\n", "")


@HERE
def test_netlink_sockets_are_an_unsupported_family(tmp_path: Path) -> None:
    assert results(tmp_path, [("socket", (16, 3, 0)), ("socket", (40, 1, 0))]) == [errno.EAFNOSUPPORT] * 2


@pytest.mark.skipif(MACHINE != "x86_64", reason="x32 is a way into x86_64 kernels")
def test_x32_calls_end_the_process(tmp_path: Path) -> None:
    run = confined(tmp_path, CALL + f"call({TABLES['x86_64']['getpid'] | 0x40000000})")
    assert run.returncode == -signal.SIGSYS


@HERE
def test_the_kernel_takes_another_machines_filter_and_then_kills(tmp_path: Path) -> None:
    """Being killed by the next call shows that the program was well-formed, and nothing about its rules."""
    for machine in TABLES.keys() - {MACHINE}:
        run = confined(tmp_path, "", machine=machine)
        assert (run.returncode, run.stderr) == (-signal.SIGSYS, "")


# By the modules that each needs.
WORKLOADS: dict[str, str] = {
    "numpy": """
        import numpy
        left = numpy.random.default_rng(1).random((700, 700))
        assert numpy.allclose(left @ numpy.linalg.inv(left), numpy.eye(700), atol=1e-6)
        numpy.save("a.npy", left)
        assert (numpy.load("a.npy", mmap_mode="r") == left).all()
    """,
    "pandas openpyxl pyarrow": """
        import pandas
        frame = pandas.DataFrame({"k": list("abab"), "v": range(4)})
        assert frame.groupby("k").v.sum().to_dict() == {"a": 2, "b": 4}
        frame.to_csv("a.csv")
        frame.to_excel("a.xlsx", index=False)
        frame.to_parquet("a.parquet")
        assert pandas.read_excel("a.xlsx").equals(frame)
        assert pandas.read_parquet("a.parquet").v.sum() == 6
    """,
    "pyarrow": """
        import pyarrow, pyarrow.csv, pyarrow.dataset, pyarrow.parquet
        table = pyarrow.table({"n": range(100_000)})
        pyarrow.parquet.write_table(table, "a.parquet")
        assert pyarrow.dataset.dataset("a.parquet").to_table(use_threads=True).num_rows == 100_000
        pyarrow.csv.write_csv(table, "a.csv")
        with pyarrow.memory_map("a.csv") as mapped:
            assert pyarrow.csv.read_csv(mapped).num_rows == 100_000
    """,
    "matplotlib": """
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        plt.title("$x^2$")
        for kind in ("png", "pdf", "svg"):
            plt.savefig(f"a.{kind}")
        assert open("a.png", "rb").read(4)[1:] == b"PNG"
    """,
    "scipy": """
        import numpy, scipy.fft, scipy.linalg, scipy.optimize, scipy.stats
        matrix = numpy.random.default_rng(1).random((300, 300))
        assert scipy.linalg.svdvals(matrix).shape == (300,)
        assert abs(scipy.optimize.minimize(lambda x: (x[0] - 3) ** 2, [0.0]).x[0] - 3) < 1e-4
        assert scipy.fft.fft(matrix, workers=2).shape == (300, 300)
    """,
    "sklearn": """
        if __name__ == "__main__":
            import warnings
            warnings.simplefilter("error")
            from joblib import Parallel, delayed
            from sklearn.datasets import make_classification
            from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
            from sklearn.model_selection import cross_val_score
            x, y = make_classification(300, random_state=1)
            forest = RandomForestClassifier(10, n_jobs=2, random_state=1).fit(x, y)
            assert forest.score(x, y) > 0.9
            assert cross_val_score(forest.set_params(n_jobs=1), x, y, n_jobs=2).mean() > 0.7
            assert HistGradientBoostingClassifier(max_iter=5).fit(x, y).score(x, y) > 0.8
            for backend in ("loky", "threading", "multiprocessing"):
                assert Parallel(n_jobs=2, backend=backend)(delayed(abs)(-n) for n in range(3)) == [0, 1, 2]
    """,
    "sympy PIL lxml networkx statsmodels": """
        import lxml.etree, networkx, numpy, statsmodels.api, sympy
        from PIL import Image
        assert sympy.integrate(sympy.Symbol("x"), (sympy.Symbol("x"), 0, 2)) == 2
        Image.new("RGB", (64, 64)).resize((32, 32)).save("a.jpg")
        assert Image.open("a.jpg").size == (32, 32)
        assert lxml.etree.fromstring("<a><b/></a>")[0].tag == "b"
        assert networkx.path_graph(3).number_of_edges() == 2
        assert statsmodels.api.OLS([1.0, 2.0, 3.1], numpy.vander([1.0, 2.0, 3.0], 2)).fit().nobs == 3
    """,
    "IPython": """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        assert shell.run_cell("2 * 21").result == 42
        assert list(shell.getoutput("echo hello")) == ["hello"]
    """,
    "psutil": """
        import psutil
        me = psutil.Process()
        assert me.memory_info().rss > 0 and me.nice() == 0 and me.cpu_affinity() and me.rlimit(7)
        assert psutil.virtual_memory().total and psutil.disk_usage(".").total and psutil.cpu_count()
        psutil.cpu_percent()
        psutil.net_if_stats()
    """,
    "sqlite3": """
        import sqlite3
        for mode in ("delete", "wal"):
            base = sqlite3.connect(f"{mode}.db")
            assert base.execute(f"pragma journal_mode={mode}").fetchone() == (mode,)
            with base:
                base.execute("create table t (n)")
                base.executemany("insert into t values (?)", [(n,) for n in range(10)])
            assert sqlite3.connect(f"{mode}.db").execute("select sum(n) from t").fetchone() == (45,)
    """,
    "multiprocessing": """
        import concurrent.futures, multiprocessing
        from multiprocessing import shared_memory
        def square(n):
            return n * n
        if __name__ == "__main__":
            for method in ("fork", "spawn", "forkserver"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    assert pool.map(square, range(4)) == [0, 1, 4, 9]
            with concurrent.futures.ProcessPoolExecutor(2) as pool:
                assert list(pool.map(square, range(4))) == [0, 1, 4, 9]
            with multiprocessing.Manager() as manager:
                assert manager.dict(a=1).copy() == {"a": 1}
            memory = shared_memory.SharedMemory(create=True, size=100)
            memory.buf[0] = 7
            memory.close()
            memory.unlink()
    """,
    "asyncio": """
        import asyncio
        async def main():
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            assert (await process.communicate(b"hello"))[0] == b"hello"
            server = await asyncio.start_server(lambda r, w: (w.write(b"hi"), w.close()), "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            assert await reader.read() == b"hi"
            writer.close()
            server.close()
            assert await asyncio.to_thread(sum, [1, 2]) == 3
            asyncio.get_running_loop().add_signal_handler(10, print)
        asyncio.run(main())
    """,
    "socketserver": """
        import http.server, socket, threading, urllib.request
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert b"script.py" in urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/").read()
        server.shutdown()
        server.server_close()
        assert socket.getaddrinfo("localhost", 80)
        left, right = socket.socketpair()
        socket.send_fds(left, [b"x"], [0])
        assert len(socket.recv_fds(right, 1, 1)[1]) == 1
    """,
    "subprocess": """
        import shutil, subprocess
        def sh(line):
            return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout
        assert sh("seq 10 | sort -rn | head -n1 | tee a").split() == ["10"]
        assert sh("cat <(echo a) <(echo b) | wc -l").split() == ["2"]
        assert sh("set -m; sleep 100 & kill %1; wait; echo $?").split() == ["0"]
        for line in (
            "cp -a a b && mv b c && ln -s c d && tar czf x.tgz c && touch -d 2020-01-01 c && mkdir -p x/y",
            "mkfifo f && (echo x > f &) && read y < f && test $y = x",
            "nice -n 1 true && timeout 9 true && ulimit -n 64 && mktemp && sync",
            "dd if=/dev/zero of=z bs=1k count=9 status=none && truncate -s 1M z && stat z && df . && du .",
            "nproc && date && id && uname -a && env && ls -lR && find . -type f | xargs wc",
        ):
            sh(line)
        for optional in ("ps", "flock a true", "taskset -c 0 true", "ionice -c 3 true", "git init -q g"):
            if shutil.which(optional.split()[0]):
                sh(optional)
        assert subprocess.run("exit 3", shell=True).returncode == 3
        shutil.copy2("a", "e")
        shutil.make_archive("all", "zip", ".", "a")
        shutil.rmtree("x")
    """,
    "os": """
        import faulthandler, fcntl, mmap, os, pathlib, resource, select, signal, tempfile
        with tempfile.TemporaryFile() as file, tempfile.TemporaryDirectory() as folder:
            file.write(b"x" * 8192)
            file.flush()
            with mmap.mmap(file.fileno(), 8192) as mapped:
                mapped[0] = 1
                mapped.flush()
            fcntl.lockf(file, fcntl.LOCK_EX)
            fcntl.flock(file, fcntl.LOCK_EX)
            copy = os.open(f"{folder}/copy", os.O_CREAT | os.O_RDWR)
            assert os.copy_file_range(file.fileno(), copy, 10, 0) == os.sendfile(copy, file.fileno(), 0, 10)
            os.posix_fallocate(copy, 0, 100)
            os.truncate(copy, 1)
            os.fsync(copy)
            os.sync()
            os.mkfifo(f"{folder}/fifo")
            os.listxattr(folder)
            if hasattr(pathlib.Path, "copy"):
                pathlib.Path(folder, "copy").copy(f"{folder}/other")
        os.write(os.memfd_create("m"), b"data")
        os.sched_setaffinity(0, os.sched_getaffinity(0))
        os.setpriority(os.PRIO_PROCESS, 0, os.nice(1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        poll = select.epoll()
        poll.register(os.pidfd_open(os.getpid()))
        poll.register(os.eventfd(0))
        assert len(os.getrandom(8)) == 8
        signal.setitimer(signal.ITIMER_REAL, 100)
        signal.pthread_sigmask(signal.SIG_BLOCK, [10])
        faulthandler.enable()
        faulthandler.dump_traceback_later(100)
        faulthandler.cancel_dump_traceback_later()
        assert os.waitpid(os.posix_spawnp("true", ["true"], {}), 0)[1] == 0
    """,
    "pty": """
        import errno, fcntl, os, pty, struct, termios
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvp("stty", ["stty", "-a"])
        termios.tcgetattr(terminal)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
        assert b"speed" in os.read(terminal, 1000)
        assert os.waitpid(pid, 0)[1] == 0
        try:
            fcntl.ioctl(terminal, termios.TIOCSTI, b"x")
        except OSError as error:
            assert error.errno == errno.ENOTTY
        else:
            raise AssertionError("TIOCSTI went through")
    """,
    "ctypes": """
        import ctypes, errno
        libc, attributes, mutex = ctypes.CDLL(None), *(ctypes.create_string_buffer(64) for _ in range(2))
        assert libc.pthread_mutexattr_init(attributes) == 0
        assert libc.pthread_mutex_init(mutex, attributes) == 0
        assert libc.pthread_mutexattr_setprotocol(attributes, 1) == 0
        assert libc.pthread_mutex_init(mutex, attributes) == errno.ENOTSUP  # no priority inheritance
    """,
}


@HERE
@pytest.mark.parametrize("name", WORKLOADS)
def test_real_work_goes_on_under_the_filter(name: str, tmp_path: Path) -> None:
    for module in name.split():
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    lines = WORKLOADS[name].splitlines()
    run = confined(tmp_path, "\n".join(line[8:] for line in lines) + "\nif __name__ == '__main__': print('done')\n")
    assert (run.returncode, run.stdout[-5:]) == (0, "done\n"), run.stderr
