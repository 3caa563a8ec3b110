"""The filter on a process: what the kernel itself answers."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import pytest

from insitu.isolation.process.seccomp import ALLOWED, ARGUMENT_RULES, UNIMPLEMENTED
from insitu.isolation.process.syscalls import TABLES
from tests.isolation.argument_rules import RULES
from tests.isolation.filters import HERE, MACHINE, Arguments, confined

CALL = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return ctypes.get_errno() if result == -1 else 0
"""


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
    denied = [
        (name, arguments, max(number, 0)) for name, arguments, number in RULES if number and name in TABLES[MACHINE]
    ]
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
