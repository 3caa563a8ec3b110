"""The rows about what a machine can carry: many sandboxes, their memory, and code that computes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from insitu.settings import DEFAULT_PREIMPORT

from . import cpu, engines, kernels, memory
from .bench import Bench
from .engines import PANDAS_LINE
from .floor import Floor
from .measure import Goal, Row, repeat


def throughput(bench: Bench) -> Row:
    """Fresh sandboxes as fast as they come."""
    row = Row(
        "throughput",
        "Fresh sandboxes made, used (`print(i)`) and destroyed, over HTTP",
        "Many requests at a time, each on a connection of its own; a second counts until the last sandbox is gone and "
        "the pool is full again, so that as many were made as used. The client shares the machine with the server. "
        "Of the floor, several processes make bare sandboxes, each one after the other.",
        layers=bench.server_layers,
    )
    bench.server.burst(bench.effort.n(20), 4)
    for concurrency, n in ((16, 500), (1, 200), (64, 500)):
        burst = bench.server.burst(bench.effort.n(n), concurrency)
        row.add(
            f"insitu, {concurrency} at a time",
            burst.samples,
            concurrency=concurrency,
            rate=(bench.effort.n(n) - burst.failures) / burst.seconds,
            failures=burst.failures,
            goals=[Goal("rate", 200, at_most=False)] if concurrency == 16 else [],
        )
    for workers in sorted({1, len(os.sched_getaffinity(0))}):
        samples, rate = _floor_rate(workers, bench.effort.n(200))
        row.add(f"floor: the bare system calls, {workers} at a time", samples, concurrency=workers, rate=rate)
    return row


def _floor_rate(workers: int, n: int) -> tuple[list[float], float]:
    with ExitStack() as stack:
        floors = [stack.enter_context(Floor("", DEFAULT_PREIMPORT)) for _ in range(workers)]
        begun = time.perf_counter()
        for floor in floors:
            floor.ask(n)
        answers = [floor.answer() for floor in floors]
        seconds = time.perf_counter() - begun
    return [ms for samples, _ in answers for ms in samples], workers * n / seconds


def idle_memory(bench: Bench) -> Row:
    """What an idle session keeps."""
    n = bench.effort.n(300)
    row = Row(
        "memory",
        "Memory of an idle session with pandas imported",
        f"All sessions are alive at once; each has run `{PANDAS_LINE}`. Counted are, of agent and interpreter, the "
        "pages that no other process maps (Private_Clean and Private_Dirty of smaps_rollup) and the page tables "
        "(VmPTE); files in the workspace, the kernel's own objects and the host's descriptors are not. They are in "
        "the last line: what the machine had available before and after, divided by the sessions. Kernels are "
        "counted in the same way, three at a time, so that they share what they can.",
        layers=bench.host.engine.layers,
    )
    before = memory.available_mb()
    sessions = []
    for _ in repeat(n):
        sessions.append(bench.host.call(engines.open_session))
        bench.host.call(engines.in_session, sessions[-1], PANDAS_LINE, 1)
    after = memory.available_mb()
    try:
        _weigh(row, len(sessions))
    except PermissionError:
        row.missing.append("agents and interpreters: only root may look at their memory")
    for session in sessions:
        bench.host.call(engines.end_session, session)
    _weigh_kernels(row)
    row.add("insitu, of the whole machine", [(before - after) / len(sessions)], unit="MB", concurrency=len(sessions))
    return row


def _weigh(row: Row, n: int) -> None:
    agents, interpreters = (
        [memory.Share.of(pid) for pid in pids] for pids in memory.agents_and_interpreters(os.getpid())
    )
    if len(agents) != n or len(interpreters) != n:
        raise RuntimeError(f"{n} sessions have {len(agents)} agents and {len(interpreters)} interpreters")
    # Which belong together does not matter: all sessions have done the same.
    both = [a.own + b.own for a, b in zip(agents, interpreters, strict=True)]
    row.add("insitu", both, unit="MB", concurrency=n, goals=[Goal("p50", 8)])
    for name, shares in (("agents", agents), ("interpreters", interpreters)):
        row.add(f"of it {name}: private pages", [s.private for s in shares], unit="MB", concurrency=n)
        row.add(f"of it {name}: page tables", [s.tables for s in shares], unit="MB", concurrency=n)


def _weigh_kernels(row: Row) -> None:
    if not kernels.installed():
        row.missing.append(kernels.MISSING)
        return
    with ExitStack() as stack:
        running = [stack.enter_context(kernels.running_kernel()) for _ in range(3)]
        for kernel in running:
            kernel.first_output(PANDAS_LINE)
        shares = [memory.Share.of(kernel.pid) for kernel in running]
    row.add("Jupyter kernel: private pages and page tables", [s.own for s in shares], unit="MB", concurrency=3)
    row.add("Jupyter kernel: PSS", [s.proportional for s in shares], unit="MB", concurrency=3)


def computing(bench: Bench) -> Row:
    """Code that only computes."""
    cpus = bench.host.engine.settings.cpus
    row = Row(
        "cpu",
        "CPU-bound code against bare Python",
        f"Pure Python (a sieve, an orbit, counting words) and numpy (products of matrices of 1000 by 1000, one BLAS "
        f"thread), timed by themselves, in pairs that take turns at being first; the session's limit is {cpus:g} CPU. "
        "The ratio is bare Python's time by the sandbox's: 1 is as fast.",
        layers=bench.host.engine.layers,
    )
    session = bench.host.call(engines.open_session)
    with cpu.BarePython() as bare:
        for name, code in (("Python", cpu.LOOPS), ("numpy", cpu.MATRICES)):
            runs = {
                "bare": lambda code=code: float(bare.run(code)),
                "inside": lambda code=code: float(bench.host.call(engines.printed, session, code)),
            }
            pairs = _in_turns(runs, bench.effort.n(30))
            ratios = [pair["bare"] / pair["inside"] for pair in pairs]
            row.add(f"{name}: ratio", ratios, unit="ratio", goals=[Goal("p50", 0.97, at_most=False)])
            for where, label in (("inside", "in a sandbox"), ("bare", "bare Python")):
                row.add(f"{name}: {label}", [pair[where] * 1000 for pair in pairs])
    bench.host.call(engines.end_session, session)
    return row


def _in_turns(runs: Mapping[str, Callable[[], float]], n: int) -> list[dict[str, float]]:
    names = list(runs)
    for run in runs.values():
        run()
    pairs = []
    for number in repeat(n):
        order = names if number % 2 else names[::-1]
        pairs.append({name: runs[name]() for name in order})
    return pairs
