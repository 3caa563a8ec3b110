"""What an attack is: a small program, the layer that stops it, and the only ways in which it may end."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from textwrap import dedent
from typing import Any, TypeVar

import pytest

from insitu.isolation.process.syscalls import TABLES
from insitu.types import Outcome

Test = TypeVar("Test", bound=Callable[..., Any])


class Layer(StrEnum):
    """What stands in an attack's way; SECURITY.md says of each what it is."""

    NAMESPACES = "namespaces"
    ROOT = "read-only root"
    WORKSPACE = "capped workspace"
    PROC = "private /proc"
    NETWORK = "empty network"
    CAPABILITIES = "no capabilities"
    LANDLOCK = "Landlock"
    SECCOMP = "seccomp"
    CGROUPS = "control groups"
    RLIMITS = "process limits"
    DESCRIPTORS = "closed descriptors"
    AGENT = "agent"
    ZYGOTE = "zygote"
    CLOCK = "clock and kills"
    HOST = "host"
    API = "API"


# In front of every program. What refuses is told by the kernel's name for it.
_PRELUDE = f"""
_numbers = {dict(TABLES[platform.machine()])!r}
import ctypes as _ctypes, errno as _errno, os, sys
_libc = _ctypes.CDLL(None, use_errno=True)
def attempt(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except OSError as error:
        return _errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        return type(error).__name__
    return "went through"
def syscall(call, *arguments):
    number = _numbers.get(call, call)
    _ctypes.set_errno(0)
    values = [_ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    done = _libc.syscall(_ctypes.c_long(number), *values)
    return _errno.errorcode[_ctypes.get_errno()] if done == -1 else "went through"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One program.

    Args:
        what: what it tries, in plain words; no two attacks try the same.
        stopped_by: the layer that stops it, the first if there are several.
        code: the program. `attempt(call, …)` gives the name of the error that stopped the call, `syscall(name, …)`
            that of the system call (a number will do), and both ``"went through"``; the last expression is the
            program's answer.
        answers: what it may answer; empty if that does not matter.
        ends: the outcomes that it may have.
        options: what the execution is given beside the code.
        unless: a layer without which it goes through; it is left out where the machine lacks that.
    """

    what: str
    stopped_by: Layer
    code: str
    answers: Sequence[object] = ()
    ends: Sequence[Outcome] = ("ok",)
    options: Mapping[str, Any] = field(default_factory=dict)
    unless: Layer | None = None

    @property
    def program(self) -> str:
        """The code with what it needs."""
        return _PRELUDE + dedent(self.code)

    def __str__(self) -> str:
        return self.what


def tried(attacks: Sequence[Attack]) -> pytest.MarkDecorator:
    """A test runs once for each of the attacks, which it gets as ``attack``."""
    return pytest.mark.parametrize("attack", attacks, ids=str)


def attack(what: str, stopped_by: Layer) -> Callable[[Test], Test]:
    """A test that is an attack in several steps, for the table of all attacks."""

    def mark(test: Test) -> Test:
        marked: Test = pytest.mark.attack(what=what, stopped_by=stopped_by)(test)
        return marked

    return mark
