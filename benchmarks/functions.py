"""The row about functions: how long the first call of a version takes, and the second."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from insitu.settings import Settings

from . import kernels
from .bench import Bench
from .measure import Row, ms_since, repeat, timed
from .servers import Connection, Server

_PATH = "/v1/functions/bench"
_RETURN = "return {'x': x + 1}"
FUNCTIONS = {
    "plain": f"def main(x):\n    {_RETURN}\n",
    "pandas": f"import pandas as pd\n\n\ndef main(x):\n    x = int(pd.Series([x]).sum())\n    {_RETURN}\n",
}
_GIVEN, _RIGHT = 1, {"x": 2}
_CALL = f"main({_GIVEN})"
# A peer gets its argument and gives its result as JSON too.
_SCRIPT = "{code}\nimport json, sys\nprint(json.dumps(main(*json.loads(sys.argv[1]))))"
_NO_CONTAINERS = (
    "stand-ins for AWS Lambda (SAM CLI, LocalStack, moto): they run functions in containers of Docker, "
    "which no row here asks for"
)


@dataclass(slots=True)
class CallResult:
    """Calls of one kind: what the client saw, and what the answers tell of it."""

    ms: list[float] = field(default_factory=list)
    inside_ms: list[float] = field(default_factory=list)
    run_ms: list[float] = field(default_factory=list)

    def note(self, ms: float, answer: dict[str, Any], *, cold: bool) -> None:
        """Add one call.

        Raises:
            RuntimeError: if it was not what was to be measured, or its result is wrong.
        """
        if answer["result"] != _RIGHT or answer["cold"] is not cold:
            raise RuntimeError(f"an invocation that should be {'cold' if cold else 'warm'} gave {answer}")
        self.ms.append(ms)
        self.inside_ms.append(answer["timings"]["total_ms"])
        self.run_ms.append(answer["timings"]["run_ms"])

    def add_to(self, row: Row, name: str) -> None:
        """Put its three measurements into a row."""
        row.add(f"insitu, {name}", self.ms)
        row.add(f"of it inside insitu, {name}", self.inside_ms)
        row.add(f"of it the code, {name}", self.run_ms)


def functions(bench: Bench) -> Row:
    """A function's cold and warm start."""
    row = Row(
        "functions",
        "A function's cold and warm start, over HTTP",
        "Cold is the first invocation of a version that has just been deployed, by POST /v1/functions/{name}/invoke; "
        "its sandbox comes from the pool, which is full. Warm is the second, in the same sandbox, once the pool is "
        "full again. From sending the request on a connection that is kept alive to the last byte of the answer; "
        "inside insitu, and the code alone, as the answer tells them (total_ms, run_ms). "
        "The function adds 1 to a number; with pandas, it imports that and has it do so. Beside a cold start, "
        "`python -c` with the function's code and a call, and a Jupyter kernel from its start to the result; beside "
        "a warm one, the call in a kernel that has the function. Neither peer has a wall around it.",
        layers=bench.server_layers,
    )
    for name, code in FUNCTIONS.items():
        _measure(bench, row, name, code)
    row.missing.append(_NO_CONTAINERS)
    if not kernels.installed():
        row.missing.append(kernels.MISSING)
    return row


def _measure(bench: Bench, row: Row, name: str, code: str) -> None:
    cold, warm, python_ms, kernel_ms = CallResult(), CallResult(), [], []
    with Connection(bench.server.port) as connection:
        for number in repeat(bench.effort.n(150)):
            _round(bench.server, connection, code, cold, warm)
            if number < bench.effort.n(20):
                python_ms.append(timed(lambda: _by_python(code)))
            if kernels.installed():
                bench.kernel.first_output(_first_call(code))
                kernel_ms.append(bench.kernel.first_output(_CALL))
    cold.add_to(row, f"{name}: cold")
    row.add(f"`python -c`, {name}", python_ms)
    if kernels.installed():
        row.add(f"ipykernel: start, {name}", _kernel_starts(bench.effort.n(5), code))
    warm.add_to(row, f"{name}: warm")
    if kernels.installed():
        row.add(f"Jupyter kernel, by ZeroMQ, {name}", kernel_ms)


def _round(server: Server, connection: Connection, code: str, cold: CallResult, warm: CallResult) -> None:
    connection.request("PUT", _PATH, json.dumps({"code": code}).encode())
    for called in (cold, warm):
        server.wait_for(connection, {"pool_ready": str(Settings().pool_size)})
        begun = time.perf_counter()
        answer = connection.post(f"{_PATH}/invoke", {"args": [_GIVEN]})
        called.note(ms_since(begun), answer, cold=called is cold)
    connection.request("DELETE", _PATH)


def _first_call(code: str) -> str:
    return f"{code}\n{_CALL}"


def _kernel_starts(n: int, code: str) -> list[float]:
    samples = []
    for _ in repeat(n):
        with kernels.running_kernel() as kernel:
            samples.append(kernel.ready_ms + kernel.first_output(_first_call(code)))
    return samples


def _by_python(code: str) -> None:
    command = [sys.executable, "-c", _SCRIPT.format(code=code), json.dumps([_GIVEN])]
    done = subprocess.run(command, check=True, capture_output=True)
    if json.loads(done.stdout) != _RIGHT:
        raise RuntimeError(f"`python -c` gave {done.stdout!r}")
