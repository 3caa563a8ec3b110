"""What the figures were measured on, so that readers can judge them."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("numpy", "pandas", "matplotlib", "ipython", "ipykernel", "jupyter_client", "uvicorn", "uvloop")
# Processes that wanted to run, on average over the minute before; a machine at rest has less than 0.1.
_MOST_LOAD = 0.5
BUSY = "The machine had other work when the run began, so all of its figures are worse than at rest."
_PAGE = 4096
_PAGES = 16384
# Printed: microseconds of a fork with nothing, of a fork for each page that is mapped, for each page that is copied.
_FORK_COSTS = f"""
import json, mmap, os, time
PAGES, ROUNDS = {_PAGES}, 15

def fork(work=None):
    begun = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        if work is not None:
            work()
        os._exit(0)
    forked = time.perf_counter()
    os.waitpid(pid, 0)
    return (forked - begun) * 1e6, (time.perf_counter() - begun) * 1e6

def middle(numbers):
    return sorted(numbers)[len(numbers) // 2]

bare = middle([fork()[0] for _ in range(ROUNDS)])
memory = mmap.mmap(-1, PAGES * {_PAGE}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(mmap.MADV_NOHUGEPAGE)
touch = lambda: memory.__setitem__(slice(None, None, {_PAGE}), b"x" * PAGES)
touch()
mapped = middle([fork()[0] for _ in range(ROUNDS)])
reaped = middle([fork()[1] for _ in range(ROUNDS)])
copied = middle([fork(touch)[1] for _ in range(ROUNDS)])
print(json.dumps([bare, (mapped - bare) / PAGES, (copied - reaped) / PAGES]))
"""


def facts() -> dict[str, Any]:
    """The machine, its software, what its kernel takes for the basic things, and whether others use it."""
    load_before = load()
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "virtual": _virtual(),
        "kernel": platform.release(),
        "user": "root" if os.geteuid() == 0 else "not root",
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "insitu": _version("insitu"),
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "load_before": load_before,
        "busy": is_busy(load_before),
        **_fork_costs(),
    }


def load() -> list[float]:
    """How busy the machine is: processes that wanted to run, over 1, 5 and 15 minutes."""
    return [round(number, 2) for number in os.getloadavg()]


def is_busy(load_before: Sequence[float]) -> bool:
    """Whether others wanted the machine in the minute before a run; the load after it is the run's own doing."""
    return load_before[0] > _MOST_LOAD


def in_words(machine: dict[str, Any]) -> str:
    """The facts that matter most, in one line."""
    return (
        f"{machine['cpu']}, {machine['cores']} cores{', virtual' if machine['virtual'] else ''}, "
        f"Linux {machine['kernel']}, Python {machine['python']}, {machine['user']}; "
        f"a fork takes {machine['fork_us']:.0f} μs and {machine['fork_mapped_page_us'] * 1000:.0f} ns a mapped page, "
        f"a page copied after it {machine['copied_page_us']:.2f} μs"
    )


def _fork_costs() -> dict[str, float]:
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _FORK_COSTS], capture_output=True, check=True)
    names = ("fork_us", "fork_mapped_page_us", "copied_page_us")
    return {name: round(value, 4) for name, value in zip(names, json.loads(done.stdout), strict=True)}


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _virtual() -> bool:
    return "hypervisor" in Path("/proc/cpuinfo").read_text(encoding="utf-8")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
