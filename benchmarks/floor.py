"""The least that a sandbox costs on this machine: the bare system calls, with nothing of insitu's around them.

For each sandbox a small process clones a child into seven fresh namespaces, maps ids into it, and the child mounts
one tmpfs, binds four folders of it and mounts /proc; beside that, a big process that has the packages imported forks
once into the child's pid namespace, and the fork joins the other six, runs the code and says so on a pipe. So it is
one small fork and one big one, as in insitu. Left out: cgroups, Landlock, seccomp, rlimits, giving up rights,
reading output, and everything that is not a system call of these.

Run by itself, with the code and the modules as arguments, it is told on standard input how many to make.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from insitu.guest import linux

_REST = linux.ALL_NAMESPACES & ~linux.CLONE_NEWPID
_QUIET = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
# As often as a zygote: after that, running it again writes to few pages that a fork shares.
_WARM_ROUNDS = 24
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}


class Floor:
    """The floor as a process of its own.

    Args:
        code: what each sandbox runs; the big process runs it before the first fork, to have it warm.
        modules: what the big process imports.
    """

    def __init__(self, code: str = "", modules: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), code, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **_ONE_THREAD},
        )
        self._read()

    def make(self, n: int = 1) -> tuple[list[float], float]:
        """Make, use and end sandboxes, one after the other.

        Returns:
            Milliseconds of each until its code has run, and seconds of all together until the last is gone.
        """
        self.ask(n)
        return self.answer()

    def ask(self, n: int) -> None:
        """Begin what :meth:`make` does."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{n}\n")
        self._process.stdin.flush()

    def answer(self) -> tuple[list[float], float]:
        """Wait for the end of what :meth:`ask` began."""
        samples, seconds = self._read()
        return samples, seconds

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise OSError("the bare system calls are refused on this machine: see standard error")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)


def main() -> None:
    """Serve standard input."""
    _own_mounts()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        _be_big(theirs, sys.argv[1], sys.argv[2:])
    theirs.close()
    ours.recv(1)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        samples = [_make(ours) for _ in range(int(line))]
        print(json.dumps([samples, time.perf_counter() - begun]), flush=True)


def _own_mounts() -> None:
    if os.geteuid() == 0:
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    else:
        _become_root_of_own_namespaces()


def _become_root_of_own_namespaces() -> None:
    # To come back from a sandbox's pid namespace, the big process needs rights over its own one.
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWPID)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    linux.write_id_maps(os.getpid(), [[0, uid, 1]], [[0, gid, 1]])
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        sys.exit()
    linux.mount("proc", "/proc", "proc", _QUIET)


def _make(big: socket.socket) -> float:
    begun = time.perf_counter()
    mapped_r, mapped_w = os.pipe()
    gate_r, gate_w = os.pipe()
    said_r, said_w = os.pipe()
    first = linux.clone(linux.ALL_NAMESPACES)
    if first == 0:
        _be_first(mapped_r, gate_w)
    pidfd = os.pidfd_open(first)
    linux.write_id_maps(first, [[0, 0, 1]], [[0, 0, 1]])
    os.write(mapped_w, b"1")
    socket.send_fds(big, [b"1"], [pidfd, gate_r, said_w])
    os.close(said_w)
    if os.read(said_r, 1) != b"1":
        raise OSError("a bare sandbox did not come up")
    ms = (time.perf_counter() - begun) * 1000
    os.kill(first, signal.SIGKILL)  # the first of a pid namespace takes all others with it
    os.waitpid(first, 0)
    for fd in (mapped_r, mapped_w, gate_r, gate_w, said_r, pidfd):
        os.close(fd)
    return ms


def _be_first(mapped: int, gate: int) -> None:
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.read(mapped, 1)
        linux.mount("floor", "/tmp", "tmpfs", _QUIET, "size=64m")
        for name, target in (("a", "/mnt"), ("b", "/home"), ("c", "/dev/shm"), ("d", "/var/tmp")):
            os.mkdir(f"/tmp/{name}")
            linux.mount(f"/tmp/{name}", target, None, linux.MS_BIND)
        linux.mount("proc", "/proc", "proc", _QUIET)
        os.write(gate, b"1")
        signal.pause()
    finally:
        os._exit(1)


def _be_big(control: socket.socket, code: str, modules: list[str]) -> None:
    try:
        for name in modules:
            importlib.import_module(name)
        for _ in range(_WARM_ROUNDS):
            _run(code)
        gc.collect()
        gc.freeze()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
        control.send(b"1")
        while _fork_one(control, own_pids, code):
            pass
    except OSError:
        traceback.print_exc()
    finally:
        os._exit(0)


def _fork_one(control: socket.socket, own_pids: int, code: str) -> bool:
    wanted, descriptors, _, _ = socket.recv_fds(control, 1, 3)
    if not wanted:
        return False
    first, gate, said = descriptors
    linux.setns(first, linux.CLONE_NEWPID)
    if os.fork() == 0:
        try:
            os.read(gate, 1)
            linux.setns(first, _REST)
            _run(code)
            os.write(said, b"1")
            signal.pause()
        finally:
            os._exit(1)
    linux.setns(own_pids, linux.CLONE_NEWPID)
    for fd in descriptors:
        os.close(fd)
    return True


def _run(code: str) -> None:
    exec(code, {"__name__": "__main__"})


if __name__ == "__main__":
    main()
