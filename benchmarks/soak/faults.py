"""SIGKILL, at random, to the processes of one server and to no others."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import anyio

from tests.support.processes import children, descendants, named

from .ledger import Kill, Ledger, now

# How often each is hit, in a hundred: the last three stop everybody for as long as an environment takes to start.
WEIGHTS = {"interpreter": 52, "agent": 44, "zygote": 3, "init": 0.6, "supervisor": 0.4}
_INTERVAL_S = 0.8
_FEWEST = 12
_AGAIN_S = 0.05


async def strike(server: int, ledger: Ledger, random: Random, seconds: float) -> None:
    """Kill for so long, first one of each; never returns late."""
    interval_s = min(_INTERVAL_S, seconds / _FEWEST)
    with anyio.move_on_after(seconds):
        for name in _names(random):
            await anyio.sleep(random.expovariate(1 / interval_s))
            while True:
                if kill_one(server, name, ledger, random):
                    break
                await anyio.sleep(_AGAIN_S)  # it was about to die, or is about to come back


def _names(random: Random) -> Iterator[str]:
    yield from random.sample(list(WEIGHTS), len(WEIGHTS))
    while True:
        yield from random.choices(list(WEIGHTS), list(WEIGHTS.values()))


def kill_one(server: int, name: str, ledger: Ledger, random: Random) -> bool:
    """Kill one of the processes of a server that are called so; False if there is none."""
    candidates = processes(server)[name]
    if not candidates:
        return False
    pid = random.choice(candidates)
    with _certain(server, pid) as pidfd:
        namespace = _namespace(pid) if name in ("agent", "interpreter") else ""
        if pidfd is None or namespace is None:
            return False
        # Noted first: what follows from it must not be seen before it is known.
        ledger.kills.append(Kill(now(), name, pid, namespace))
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return True


def processes(server: int) -> dict[str, list[int]]:
    """A server's processes by what they are; who has just been forked still has its parent's name, and is left out."""
    supervisors = children(server, "insitu-superv")
    inits = [pid for supervisor in supervisors for pid in children(supervisor, "insitu-init")]
    return {
        "supervisor": supervisors,
        "init": inits,
        "zygote": [pid for init in inits for pid in children(init, "insitu-zygote")],
        "agent": [pid for init in inits for pid in children(init, "insitu-agent")],
        "interpreter": named("insitu-python", server),
    }


@contextmanager
def _certain(server: int, pid: int) -> Iterator[int | None]:
    # A number may be another's by now: the descriptor is taken first, and looked at afterwards.
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield pidfd if descendants(server).get(pid, "").startswith("insitu-") else None
    finally:
        os.close(pidfd)


def _namespace(pid: int) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None
