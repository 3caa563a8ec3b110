"""Code that does nothing but compute, and a bare Python to run it beside the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Self

# Each prints how many seconds it has worked, by its own clock: the way in and out is other rows' business.
LOOPS = """
import time

def sieve(limit):
    flags = bytearray([1]) * limit
    for number in range(2, int(limit**0.5) + 1):
        if flags[number]:
            flags[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return sum(flags)

def orbit(steps):
    x, y, vx, vy = 1.0, 0.0, 0.0, 1.0
    for _ in range(steps):
        pull = -1.0 / (x * x + y * y) ** 1.5
        vx += pull * x * 0.001
        vy += pull * y * 0.001
        x += vx * 0.001
        y += vy * 0.001
    return x

def words(count):
    seen = {}
    for number in range(count):
        word = str(number * 7919 % 10007)
        seen[word] = seen.get(word, 0) + 1
    return len(seen)

begun = time.perf_counter()
sieve(1_000_000), orbit(1_000_000), words(1_000_000)
print(time.perf_counter() - begun)
"""
MATRICES = """
import time
import numpy

left = numpy.linspace(0.0, 1.0, 1000 * 1000).reshape(1000, 1000)
right, product = left.T.copy(), numpy.zeros_like(left)
begun = time.perf_counter()
for _ in range(6):
    numpy.matmul(left, right, out=product)
print(time.perf_counter() - begun)
"""
_DRIVER = """
import contextlib, io, json, sys
for line in sys.stdin:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(json.loads(line), {"__name__": "__main__"})
    print(said.getvalue(), end="", flush=True)
"""
# As in a zygote: one thread, and none of the caller's own settings, which could choose other BLAS kernels.
_ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    **{f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")},
}


class BarePython:
    """This Python, without a sandbox, that runs one piece of code after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_ENVIRONMENT,
        )

    def run(self, code: str) -> str:
        """Run code that writes one line, and return that."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)
