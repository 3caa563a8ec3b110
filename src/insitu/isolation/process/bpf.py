"""The compiler that turns the list of system calls into a seccomp filter."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from errno import ENOSYS, EPERM
from functools import cache

from .seccomp import ALLOWED, ARGUMENT_RULES, UNIMPLEMENTED, WORD, Check, Clause, Rule
from .syscalls import TABLES

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_LOAD, _AND, _RETURN, _JUMP, _IF_EQUAL, _IF_AT_LEAST = 0x20, 0x54, 0x06, 0x05, 0x15, 0x35
_FAR = 254  # a jump spans 255 instructions; one is kept for the other target's stepping stone


class UnsupportedMachine(Exception):
    """Raised when there is no table of system calls for a machine."""


@cache
def build_filter(machine: str) -> bytes:
    """The seccomp program for a machine, as an array of ``struct sock_filter``.

    Args:
        machine: what ``platform.machine()`` says.

    Raises:
        UnsupportedMachine: if it is neither x86_64 nor aarch64.
    """
    if machine not in TABLES:
        raise UnsupportedMachine(
            f"no seccomp filter for {machine!r}: the numbers of its system calls are known for "
            f"{' and '.join(TABLES)} only; use such a machine, or another tier"
        )
    return _Program().dispatch(machine)


class _Program:
    """Classic BPF, put down from its last instruction to its first, since its jumps lead forward only.

    A place in it is the number of instructions that follow it.
    """

    def __init__(self) -> None:
        self._reversed: list[bytes] = []
        self._stones: dict[int, int] = {}
        self._rules: dict[Rule, int] = {}
        self._returns: dict[int, int] = {}

    def dispatch(self, machine: str) -> bytes:
        kill = self._return(_KILL)
        places = {number: self._place(name) for name, number in TABLES[machine].items()}
        spans = _spans(places, self._return(_ERRNO | ENOSYS))
        if machine == "x86_64":
            spans.append((_X32_BIT, kill))
        by_number = self._put(_LOAD, _NUMBER, before=self._search(spans))
        ours = self._branch(_IF_EQUAL, _ARCHITECTURES[machine], by_number, kill)
        self._put(_LOAD, _ARCHITECTURE, before=ours)
        return b"".join(reversed(self._reversed))

    def _place(self, name: str) -> int:
        if name in ARGUMENT_RULES:
            return self._rule(ARGUMENT_RULES[name])
        if name in ALLOWED:
            return self._return(_ALLOW)
        return self._return(_ERRNO | (ENOSYS if name in UNIMPLEMENTED else EPERM))

    def _rule(self, rule: Rule) -> int:
        if rule not in self._rules:
            place = self._return(_ALLOW)
            for clause in reversed(rule):
                place = self._clause(clause, place)
            self._rules[rule] = place
        return self._rules[rule]

    def _clause(self, clause: Clause, passed: int) -> int:
        failed = self._return(_ERRNO | clause.errno)
        for check in reversed(clause.checks):
            failed = self._check(check, passed, failed)
        return failed

    def _check(self, check: Check, passed: int, failed: int) -> int:
        inside, outside = (passed, failed) if check.expected else (failed, passed)
        place = self._search(_spans(dict.fromkeys(check.values, inside), outside))
        if check.mask != WORD:
            place = self._put(_AND, check.mask, before=place)
        return self._put(_LOAD, _ARGUMENTS + 8 * check.argument + 4 * check.upper_half, before=place)

    def _search(self, spans: Sequence[tuple[int, int]]) -> int:
        """Branch to the place of a number's span, by halves.

        A list would do, but the kernel tries the program with each call's number when it is installed.
        """
        if len(spans) == 1:
            return spans[0][1]
        if _is_one_number_apart(spans):
            return self._branch(_IF_EQUAL, spans[1][0], spans[1][1], spans[0][1])
        middle = len(spans) // 2
        above = self._search(spans[middle:])
        below = self._search(spans[:middle])
        return self._branch(_IF_AT_LEAST, spans[middle][0], above, below)

    def _branch(self, code: int, value: int, yes: int, no: int) -> int:
        yes, no = self._near(yes), self._near(no)
        return self._append(code, value, self._distance(yes), self._distance(no))

    def _near(self, place: int) -> int:
        stone = self._stones.get(place, place)
        if self._distance(stone) > _FAR:
            self._stones[place] = stone = self._append(_JUMP, self._distance(place))
        return stone

    def _put(self, code: int, value: int, *, before: int) -> int:
        if self._distance(before):
            self._append(_JUMP, self._distance(before))
        return self._append(code, value)

    def _return(self, action: int) -> int:
        if action not in self._returns:
            self._returns[action] = self._append(_RETURN, action)
        return self._returns[action]

    def _distance(self, place: int) -> int:
        return len(self._reversed) - 1 - place

    def _append(self, code: int, value: int, yes: int = 0, no: int = 0) -> int:
        self._reversed.append(struct.pack("<HBBI", code, yes, no, value))
        return len(self._reversed) - 1


def _spans(places: Mapping[int, int], elsewhere: int) -> list[tuple[int, int]]:
    """Cut all numbers into spans that lead to one place, each given by its first number."""
    edges: Iterable[int] = sorted({0, *places, *(number + 1 for number in places)} - {WORD + 1})
    spans: list[tuple[int, int]] = []
    for edge in edges:
        place = places.get(edge, elsewhere)
        if not spans or spans[-1][1] != place:
            spans.append((edge, place))
    return spans


def _is_one_number_apart(spans: Sequence[tuple[int, int]]) -> bool:
    return len(spans) == 3 and spans[1][0] + 1 == spans[2][0] and spans[0][1] == spans[2][1]
