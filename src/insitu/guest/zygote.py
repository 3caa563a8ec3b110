"""The process that has an environment's packages imported and forks interpreters into sandboxes.

It never runs user code. It has no network, no secret and one thread, sees only the read-only root that its
sandboxes see, and holds capabilities only over the user namespaces that the sandboxes live in.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from . import interpreter, linux, lockdown, packets

_INTO = (
    linux.CLONE_NEWUSER
    | linux.CLONE_NEWNS
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
    | linux.CLONE_NEWCGROUP
)
_HUGE = 1 << 21
_STREAMS = 4  # what follows stdin: stdout, stderr, where it answers, and where it reads requests


def main() -> None:
    """Import, tell the host, then fork on request until the host is gone."""
    # The package came by a path of its own, which user code has no use for.
    sys.path.remove("/run/insitu")
    control = socket.socket(fileno=3)
    config, _ = packets.receive(control)
    linux.set_name("insitu-zygote")
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    ready = _prepare(config["preimport"])
    packets.send(control, ready)
    Zygote(control, config).serve()


def _prepare(modules: list[str]) -> dict[str, Any]:
    started = time.perf_counter()
    missing = [name for name in modules if not _imported(name)]
    interpreter.warm_up()
    threads = _threads()
    if len(threads) > 1:
        return {
            "error": f"importing {', '.join(modules)} started threads ({', '.join(threads)}); a zygote must have one"
        }
    gc.collect()
    gc.freeze()
    _collapse_memory()
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "preimported": [name for name in modules if name not in missing],
        "seconds": round(time.perf_counter() - started, 3),
    }


def _imported(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def _threads() -> list[str]:
    names = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/comm", encoding="utf-8") as file:
            names.append(file.read().strip())
    return names


def _collapse_memory() -> None:
    # A fork copies an entry per page: with 2 MiB pages there are 512 times fewer of them. Best effort.
    with open("/proc/self/maps", encoding="utf-8") as file:
        mappings = [line.split() for line in file]
    for span, mode, *rest in mappings:
        if mode != "rw-p" or (len(rest) > 3 and rest[3] != "[heap]"):
            continue
        start, end = (int(edge, 16) for edge in span.split("-"))
        for block in range(-(-start // _HUGE) * _HUGE, end - _HUGE + 1, _HUGE):
            linux.collapse_huge_pages(block, _HUGE)


class Zygote:
    """Serves the host's requests for interpreters, and tells it how each of them ended."""

    def __init__(self, control: socket.socket, config: dict[str, Any]) -> None:
        self._control = control
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._wall = lockdown.Wall(config["uid"], config["landlock_abi"], bytes.fromhex(config["seccomp"]))
        self._running: dict[int, int] = {}

    def serve(self) -> None:
        """Fork on request; return never."""
        wake_r, wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake_r, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == wake_r:
                    self._reap(wake_r)
                else:
                    self._receive()

    def _receive(self) -> None:
        request, descriptors = packets.receive(self._control)
        try:
            self._fork(request, descriptors)
        except OSError as error:
            packets.send(self._control, {"id": request["id"], "error": str(error)})
        finally:
            for fd in descriptors:
                os.close(fd)

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        agent, gate, *rest = descriptors
        streams, cgroups = rest[:_STREAMS], rest[_STREAMS:]
        linux.setns(agent, linux.CLONE_NEWPID)  # for the next child alone
        try:
            pid = os.fork()
            if pid == 0:
                self._become_interpreter(request, agent, gate, streams, cgroups)
        finally:
            self._leave_pids()
        self._running[pid] = request["id"]
        pidfd = linux.pidfd_open(pid)
        try:
            packets.send(self._control, {"id": request["id"]}, pidfd)
        finally:
            os.close(pidfd)

    def _leave_pids(self) -> None:
        try:
            linux.setns(self._own_pids, linux.CLONE_NEWPID)
        except OSError as error:
            # The next child would be born into a sandbox that is not its own: better none.
            os.write(2, f"the zygote could not leave a sandbox's pid namespace: {error}\n".encode())
            os._exit(1)

    def _become_interpreter(
        self, request: dict[str, Any], agent: int, gate: int, streams: list[int], cgroups: list[int]
    ) -> None:
        try:
            self._control.detach()
            linux.set_name("insitu-python")
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            if os.read(gate, 1) != b"1":  # the agent failed to set the sandbox up, and is gone
                os._exit(1)
            linux.setns(agent, _INTO)
            null = os.open("/dev/null", os.O_RDONLY)
            lockdown.lock_down(self._wall, request["rlimits"], cgroups, [null, *streams])
            interpreter.serve(self._wall.layers())
        except BaseException as error:
            os.write(2, f"the interpreter failed: {error}\n".encode())
        finally:
            os._exit(1)

    def _reap(self, wake: int) -> None:
        os.read(wake, 512)
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            number = self._running.pop(pid, None)
            if number is not None:
                packets.send(self._control, {"ended": number, "exit_code": os.waitstatus_to_exitcode(status)})
