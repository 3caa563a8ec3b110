"""The filter's program, interpreted."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from insitu.isolation.process.bpf import UnsupportedMachine, _Program, build_filter
from insitu.isolation.process.seccomp import ALLOWED, ARGUMENT_RULES, UNIMPLEMENTED
from insitu.isolation.process.syscalls import TABLES
from tests.isolation.argument_rules import RULES
from tests.isolation.filters import (
    ALLOW,
    ARCHITECTURES,
    ERRNO,
    EVERYWHERE,
    KILL,
    LooksAtArguments,
    decoded,
    interpret,
)

DENIED, MISSING = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
I386, ARM = 0x40000003, 0x40000028


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
    code = decoded(build_filter(machine))
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


@EVERYWHERE
def test_rules_on_arguments(machine: str) -> None:
    program, table = build_filter(machine), TABLES[machine]
    for name, arguments, number in RULES:
        if name in table:
            answer = interpret(program, table[name], arguments)
            expected = ERRNO | max(number, 0) if number else ALLOW
            assert (name, arguments, answer) == (name, arguments, expected)


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
