"""The rows about latency.

What is compared takes turns, so that a machine that is busy for a while is busy for all.
"""

from __future__ import annotations

import json
import subprocess
import sys

import insitu
from insitu.settings import DEFAULT_PREIMPORT

from . import engines, kernels
from .bench import Bench
from .engines import GROUP_LINE, PANDAS_LINE
from .floor import Floor
from .measure import Goal, Row, ms_since, paced, repeat, timed
from .servers import Connection

_PASS, _PANDAS = [sys.executable, "-c", "pass"], [sys.executable, "-c", "import pandas"]
_BLOCK = 50


def fresh(bench: Bench) -> Row:
    """A fresh sandbox without a pool."""
    row = Row(
        "fresh",
        "A fresh sandbox with numpy, pandas, matplotlib and IPython imported, no pool",
        "From the call of the engine, in process, to the first output of "
        f"`{PANDAS_LINE}`; one after the other, each after the one before is gone. That line is among those that a "
        "zygote runs while it warms up; the group-by is not. The floor runs the same line in the same namespaces.",
    )
    insitu_ms, group_ms, floor_ms, forks_ms, bare_ms = [], [], [], [], []
    with Floor(PANDAS_LINE, DEFAULT_PREIMPORT) as floor, Floor("", DEFAULT_PREIMPORT) as forks, Floor() as bare:
        bench.host.call(engines.first_output, PANDAS_LINE)
        for _ in repeat(bench.effort.n(150)):
            insitu_ms.append(bench.host.call(engines.first_output, PANDAS_LINE))
            floor_ms += floor.make()[0]
            group_ms.append(bench.host.call(engines.first_output, GROUP_LINE))
            forks_ms += forks.make()[0]
            bare_ms += bare.make()[0]
    row.layers = bench.host.engine.layers
    goals = [Goal("p50", 6), Goal("p99", 15)]
    row.add("insitu", insitu_ms, goals=goals, floor="floor: the bare system calls and the line")
    row.add("insitu, a group-by that nothing has warmed", group_ms)
    row.add("floor: the bare system calls and the line", floor_ms)
    row.add("floor: the bare system calls alone", forks_ms)
    row.add("floor: the same with nothing imported", bare_ms)
    row.add("`python -c 'import pandas'`", [timed(lambda: _start(_PANDAS)) for _ in repeat(bench.effort.n(10))])
    _start_kernels(row, bench.effort.n(8))
    return row


def _start_kernels(row: Row, n: int) -> None:
    if not kernels.installed():
        row.missing.append(kernels.MISSING)
        return
    ready, first = [], []
    for _ in repeat(n):
        with kernels.running_kernel() as kernel:
            ready.append(kernel.ready_ms)
            first.append(kernel.ready_ms + kernel.first_output(PANDAS_LINE))
    row.add("ipykernel: start", ready)
    row.add("ipykernel: start, import pandas, first output", first)


def pooled(bench: Bench) -> Row:
    """A sandbox from the pool, over HTTP."""
    row = Row(
        "pooled",
        "The same from the pool, over HTTP, 20 a second",
        "From sending POST /v1/execute on a connection that is kept alive to the last byte of the answer.",
        layers=bench.server_layers,
    )
    insitu_ms, pass_ms = [], []
    with Connection(bench.server.port) as connection:
        connection.post("/v1/execute", {"code": PANDAS_LINE})
        for block in _blocks(bench.effort.n(400)):
            for begun in paced(block, 20):
                connection.post("/v1/execute", {"code": PANDAS_LINE})
                insitu_ms.append(ms_since(begun))
            pass_ms += [timed(lambda: _start(_PASS)) for _ in range(block // 2 or 1)]
    row.add("insitu", insitu_ms, goals=[Goal("p50", 2), Goal("p99", 10)])
    row.add("`python -c pass`", pass_ms)
    return row


def live(bench: Bench) -> Row:
    """An execution in a live session, over HTTP."""
    row = Row(
        "live",
        "`1+1` in a live session, over HTTP",
        "From sending POST /v1/sessions/{id}/execute to the last byte of the answer; of the kernel, from sending the "
        "request by jupyter_client's blocking client (ZeroMQ over TCP) to the result, which comes before the end.",
        layers=bench.server_layers,
    )
    insitu_ms: list[float] = []
    kernel_ms: list[float] = []
    with Connection(bench.server.port) as connection:
        path = f"/v1/sessions/{connection.post('/v1/sessions', {})['id']}"
        connection.post(f"{path}/execute", {"code": "1+1"})
        for block in _blocks(bench.effort.n(1000)):
            insitu_ms += [timed(lambda: connection.post(f"{path}/execute", {"code": "1+1"})) for _ in range(block)]
            if kernels.installed():
                kernel_ms += [bench.kernel.first_output("1+1") for _ in range(block // 2 or 1)]
        connection.request("DELETE", path)
    row.add("insitu", insitu_ms, goals=[Goal("p50", 1)])
    if kernels.installed():
        row.add("Jupyter kernel, by ZeroMQ", kernel_ms)
    else:
        row.missing.append(kernels.MISSING)
    return row


def local(bench: Bench) -> Row:
    """An execution in a live sandbox of this process."""
    row = Row(
        "local",
        "`1+1` in a live session, in process",
        "From the call to the value. insitu.Sandbox is the blocking one, whose engine runs in a thread beside it; "
        "the engine alone is awaited in its own loop. The floor is IPython's run_cell without a sandbox; a byte's "
        "way to another process and back comes on top.",
    )
    sandbox_ms: list[float] = []
    engine_ms: list[float] = []
    with insitu.Sandbox() as sandbox:
        session = bench.host.call(engines.open_session)
        sandbox.run("1+1")
        bench.host.call(engines.in_session, session, "1+1", 1)
        for block in _blocks(bench.effort.n(1000)):
            sandbox_ms += [timed(lambda: sandbox.run("1+1")) for _ in range(block)]
            engine_ms += bench.host.call(engines.in_session, session, "1+1", block)
        bench.host.call(engines.end_session, session)
        row.layers = sandbox.info().layers
    cells_ms = _script(_CELLS, bench.effort.n(1000))
    floor = "floor: IPython's run_cell, no sandbox"
    row.add("insitu.Sandbox", sandbox_ms, goals=[Goal("p50", 0.3)], floor=floor)
    row.add("insitu's engine, awaited", engine_ms, floor=floor)
    row.add(floor, cells_ms)
    row.add("floor: a byte to another process and back", _script(_ECHO, bench.effort.n(1000)))
    return row


# Both print, as their last line, the milliseconds of each round but the first ones.
_ROUNDS = """
import json, os, socket, sys, time

def rounds(function):
    samples = []
    for _ in range(int(sys.argv[1]) + 20):
        begun = time.perf_counter()
        function()
        samples.append((time.perf_counter() - begun) * 1000)
    print(json.dumps(samples[20:]))
"""
_CELLS = f"""{_ROUNDS}
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
shell = InteractiveShell.instance(config=Config(HistoryManager=dict(enabled=False)))
rounds(lambda: shell.run_cell("1+1"))
"""
_ECHO = f"""{_ROUNDS}
ours, theirs = socket.socketpair()
if os.fork() == 0:
    ours.close()
    while byte := theirs.recv(1):
        theirs.send(byte)
    os._exit(0)
theirs.close()
rounds(lambda: (ours.send(b"1"), ours.recv(1)))
"""


def _script(code: str, n: int) -> list[float]:
    done = subprocess.run([sys.executable, "-I", "-c", code, str(n)], capture_output=True, text=True, check=True)
    samples: list[float] = json.loads(done.stdout.splitlines()[-1])
    return samples


def _start(command: list[str]) -> None:
    subprocess.run(command, check=True)


def _blocks(n: int) -> list[int]:
    return [min(_BLOCK, n - begun) for begun in range(0, n, _BLOCK)]
