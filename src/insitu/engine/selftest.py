"""The test at every start: a sandbox is made, and code in it tries what must fail.

A wall that is only believed in is worth little: this one is pushed against before anybody else's code is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from typing import Any

from ..errors import IsolationUnavailable
from ..guest.protocol import ProtocolError
from ..isolation.base import Tier
from ..types import Limits
from .console import Console

# Each line of the answer is an attempt and whether it was stopped. Standard library only.
_PROBE = """
import ctypes, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
def stopped(attempt):
    try:
        attempt()
    except OSError:
        return True
    return False
def mount():
    if libc.mount(b"none", b"/mnt/data", b"tmpfs", 0, None) == 0 or ctypes.get_errno() != 1:
        raise SystemError("mount went through")
    raise PermissionError
def adopt_orphans():
    # The filter alone refuses it, ours and no container engine's.
    if libc.prctl(36, 1, 0, 0, 0) != 0:
        raise PermissionError
def connect():
    with socket.socket() as s:
        s.settimeout(1)
        s.connect(("192.0.2.1", 80))
def signal_agent():
    os.kill(1, 9)
    if os.path.exists("/proc/1"):
        raise PermissionError
print(json.dumps({
    "no capabilities": all(int(status[s], 16) == 0 for s in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")),
    "no new privileges": status["NoNewPrivs"].strip() == "1",
    "seccomp": status["Seccomp"].strip() == "2" and stopped(adopt_orphans),
    "mount is refused": stopped(mount),
    "the host's files are out of sight": not os.path.exists(HOST_FILE),
    "the root cannot be written": stopped(lambda: open("/usr/insitu", "w")),
    "no network": stopped(connect),
    "no host processes": set(p for p in os.listdir("/proc") if p.isdigit()) <= {"1", str(os.getpid())},
    "the agent cannot be killed": stopped(signal_agent),
    "landlock": stopped(lambda: open("/proc/self/comm", "w")),
    "the agent's memory is out of reach": stopped(lambda: open("/proc/1/mem", "rb")),
    "no descriptor but its own": len(os.listdir("/proc/self/fd")) <= 6,
}))
"""


async def check_wall(tier: Tier, limits: Limits) -> Mapping[str, str]:
    """Push against the wall; returns the layers that are in force.

    Raises:
        IsolationUnavailable: if anything gets through.
    """
    sandbox = await tier.create("default", limits)
    try:
        console = Console(await sandbox.start_interpreter(), limits.results_bytes)
        try:
            answers = await _probe(console)
        finally:
            console.close()
        layers = dict(sandbox.layers)
    finally:
        await sandbox.aclose()
    through = [what for what, stopped in answers.items() if not stopped and not _given_up(what, layers)]
    if through:
        raise IsolationUnavailable(
            through[0],
            f"the self-test got through the wall of tier {tier.name!r}: {', '.join(through)}",
            hint="do not run other people's code here; `insitu doctor` says more",
        )
    return layers


def _given_up(what: str, layers: Mapping[str, str]) -> bool:
    return layers.get(what) == "off"


async def _probe(console: Console) -> dict[str, Any]:
    output = _Output()
    with tempfile.NamedTemporaryFile(prefix="insitu-selftest-") as secret:
        code = f"HOST_FILE = {secret.name!r}\n{_PROBE}"
        request = {"session_env": {}, "env_vars": {}, "results_bytes": 1 << 20}
        ending = await console.run(request, code.encode(), output, output, timeout_s=30, grace_s=1)
    try:
        answers: dict[str, Any] = json.loads(output.stdout)
    except ValueError:
        said = (ending.claim or {}).get("error") or output.stderr.decode(errors="replace") or "nothing"
        raise IsolationUnavailable("self-test", f"the self-test could not run: {said}") from None
    return answers


class _Output:
    most_bytes = 0

    def __init__(self) -> None:
        self.stdout = self.stderr = b""

    def output(self, stream: str, data: bytes) -> None:
        setattr(self, stream, getattr(self, stream) + data)

    def admits(self, size: int, swells: bool) -> bool:
        """The probe displays nothing."""
        return False

    def result(self, data: dict[str, Any], main: bool) -> None:
        """Never called."""

    def take(self, payload: bytes) -> None:
        """The probe calls no tools."""
        raise ProtocolError("the self-test has no tools")

    async def give_up(self) -> None:
        """Never called."""
