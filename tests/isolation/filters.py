"""The filter of system calls, interpreted as the kernel would, or put on a process."""

from __future__ import annotations

import platform
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from insitu.isolation.process.bpf import build_filter
from insitu.isolation.process.syscalls import TABLES

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINE = platform.machine()
EVERYWHERE = pytest.mark.parametrize("machine", TABLES)
HERE = pytest.mark.skipif(
    sys.platform != "linux" or MACHINE not in TABLES, reason="needs Linux on a machine that the filter knows"
)

Arguments = tuple[int, ...]


class LooksAtArguments(Exception):
    """The answer depends on the arguments."""


@cache
def decoded(program: bytes) -> list[tuple[int, int, int, int]]:
    """Its instructions: operation, jump if true, jump if false, value."""
    return list(struct.iter_unpack("<HBBI", program))


def interpret(program: bytes, number: int, arguments: Arguments | None = (), architecture: int | None = None) -> int:
    """What the kernel would answer; with ``None`` for arguments, looking at one raises."""
    if architecture is None:
        architecture = next(ARCHITECTURES[machine] for machine in TABLES if build_filter(machine) == program)
    padded = [value & (1 << 64) - 1 for value in (*(arguments or ()), 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    code, position, accumulator = decoded(program), 0, 0
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
