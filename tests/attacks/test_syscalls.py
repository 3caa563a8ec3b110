"""Every number that a system call can have, called in a sandbox; each in a process of its own."""

from __future__ import annotations

import errno
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence

import pytest

from insitu.isolation.process.seccomp import ALLOWED, ARGUMENT_RULES, UNIMPLEMENTED
from insitu.isolation.process.syscalls import TABLES
from tests.attacks.asking import program
from tests.attacks.attack import Layer, attack
from tests.attacks.stand import Stand
from tests.isolation.argument_rules import RULES

Call = tuple[int, Sequence[int]]

TABLE = TABLES[platform.machine()]
NAMES = {number: name for name, number in TABLE.items()}
LAST = max(NAMES)
BEYOND = (*range(LAST + 1, LAST + 101), 999, 0x3FFFFFFF)
X32, NEGATIVE = 0x40000000, 0x80000000
# The kernel asks no filter about these two: by them its own probes in a program report.
UNFILTERED = {"uretprobe", "uprobe"}
# Allowed calls that came with or after Linux 5.13, the oldest that will do, or with some machines only.
MAY_BE_MISSING = {
    *("futex_waitv", "futex_wake", "futex_wait", "futex_requeue", "fchmodat2", "map_shadow_stack", "mseal"),
    *("setxattrat", "getxattrat", "listxattrat", "removexattrat", "pkey_alloc", "pkey_free", "pkey_mprotect"),
}
# Nothing that a call does with either is harmful; where one of them is refused by the kernel, the other is not.
ARGUMENTS = ((-1,) * 6, (0,) * 6)
NOT_REFUSED = "not refused"
_TIMEOUT_S, _BATCH = 40.0, 200

# What a call answers, or how it ended its process. A call that would wait is interrupted, again and again.
ANSWERS = """
import json, signal
{first}
signal.signal(signal.SIGALRM, lambda *_: None)
def answer(number, arguments):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            os.write(write, syscall(number, *arguments).encode())
        finally:
            os._exit(0)
    os.close(write)
    said = os.read(read, 64).decode()
    os.close(read)
    status = os.waitpid(pid, 0)[1]
    return said or (signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "ended")
print(json.dumps([answer(number, arguments) for number, arguments in {calls}]))
"""
# In a process of its own that is small: forks of it take little time.
INSIDE = """
import subprocess
done = subprocess.run([sys.executable, "-ISc", {code!r}], capture_output=True, text=True)
print(done.stdout or done.stderr)
"""


async def answers(stand: Stand, calls: Sequence[Call]) -> list[str]:
    """What each call is told in a sandbox."""
    told: list[str] = []
    async with stand.unharmed(_TIMEOUT_S), stand.client() as client:
        for first in range(0, len(calls), _BATCH):
            code = program(ANSWERS.format(first="", calls=list(calls[first : first + _BATCH])))
            execution = await client.run(program(INSIDE.format(code=code)), timeout_s=_TIMEOUT_S)
            assert execution.outcome == "ok", execution
            told += json.loads(execution.stdout)
    return told


async def verdicts(stand: Stand, numbers: Iterable[int]) -> dict[int, str]:
    """How each number is refused, if it is: with one error, whatever its arguments."""
    asked = list(numbers)
    by_arguments = [await answers(stand, [(number, arguments) for number in asked]) for arguments in ARGUMENTS]
    return dict(zip(asked, map(_verdict, zip(*by_arguments, strict=True)), strict=True))


def _verdict(told: Iterable[str]) -> str:
    one, *others = set(told)
    return one if not others and one in {"EPERM", "ENOSYS", "SIGSYS"} else NOT_REFUSED


def by_the_list(name: str) -> str:
    """What the filter is to do with a call that it judges by its number alone."""
    if name in ALLOWED:
        return NOT_REFUSED
    return "ENOSYS" if name in UNIMPLEMENTED else "EPERM"


def answers_without_filter(calls: Sequence[Call]) -> list[str]:
    """The same on a process of the host that has no privilege and no filter."""
    become = "if os.geteuid() == 0: os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)"
    code = program(ANSWERS.format(first=become, calls=list(calls)))
    done = subprocess.run([sys.executable, "-ISc", code], capture_output=True, check=True, timeout=50)
    told: list[str] = json.loads(done.stdout)
    return told


@attack("make every system call that there is", Layer.SECCOMP)
async def test_what_is_not_refused_is_the_allow_list(stand: Stand) -> None:
    judged = {number: name for number, name in NAMES.items() if name not in ARGUMENT_RULES and name not in UNFILTERED}
    found = {judged[number]: verdict for number, verdict in (await verdicts(stand, judged)).items()}
    expected = {name: by_the_list(name) for name in judged.values()}
    # Some fail in the same way by the kernel's own word: those that it lacks, and those that take a privilege.
    unclear = {name for name in found if expected[name] == NOT_REFUSED != found[name]}
    for name in unclear:
        calls = [(TABLE[name], arguments) for arguments in ARGUMENTS]
        assert (name, found[name]) == (name, _verdict(answers_without_filter(calls)))
    assert found == expected | {name: found[name] for name in unclear}
    assert unclear <= {"setgroups", *MAY_BE_MISSING}


@attack("make calls by numbers that no kernel has given out", Layer.SECCOMP)
async def test_gaps_and_numbers_beyond_are_not_implemented(stand: Stand) -> None:
    gaps = [number for number in range(LAST) if number not in NAMES]
    assert set((await verdicts(stand, (*gaps, *BEYOND))).values()) == {"ENOSYS"}


@attack("make every system call by the number that x32 has for it", Layer.SECCOMP)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 is a way into x86_64 kernels")
async def test_numbers_of_x32_end_the_process(stand: Stand) -> None:
    numbers = [X32 + number for number in (*range(LAST + 101), 0x3FFFFFFF)] + [NEGATIVE, NEGATIVE + 1, 0xFFFFFFFF]
    told = await answers(stand, [(number, (0,) * 6) for number in numbers])
    assert dict(zip(numbers, told, strict=True)) == dict.fromkeys(numbers, "SIGSYS")


@attack("make the calls that depend on their arguments, with arguments that are refused", Layer.SECCOMP)
async def test_refused_arguments_get_the_error_of_their_rule(stand: Stand) -> None:
    refused = [rule for rule in RULES if rule[2] and rule[0] in TABLE]
    told = await answers(stand, [(TABLE[name], arguments) for name, arguments, _ in refused])
    expected = [errno.errorcode[number] if number > 0 else "went through" for *_, number in refused]
    assert [(*rule[:2], one) for rule, one in zip(refused, told, strict=True)] == [
        (*rule[:2], one) for rule, one in zip(refused, expected, strict=True)
    ]
    assert {name for name, *_ in refused} == ARGUMENT_RULES.keys() & TABLE.keys()


def errors_of(name: str) -> set[str]:
    """What the rule of a call may answer."""
    return {errno.errorcode[clause.errno] for clause in ARGUMENT_RULES[name] if clause.errno}


@attack("make the calls that depend on their arguments, with arguments that are let through", Layer.SECCOMP)
async def test_other_arguments_reach_the_kernel(stand: Stand) -> None:
    allowed = [rule for rule in RULES if not rule[2] and rule[0] in TABLE]
    told = await answers(stand, [(TABLE[name], arguments) for name, arguments, _ in allowed])
    unclear = [(rule, one) for rule, one in zip(allowed, told, strict=True) if one in errors_of(rule[0])]
    # One asks for what is another user's, one names memory that is not there: the kernel's own errors.
    assert {name for (name, *_), _ in unclear} <= {"prlimit64", "madvise"}
    kernels = answers_without_filter([(TABLE[name], arguments) for (name, arguments, _), _ in unclear])
    assert [one for _, one in unclear] == kernels
    assert {name for name, *_ in allowed} == ARGUMENT_RULES.keys() & TABLE.keys()
