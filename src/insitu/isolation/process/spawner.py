"""The server's side of one environment's processes: supervisor, init and zygote."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskGroup

from ...errors import InvalidRequest, IsolationUnavailable, SandboxFailed
from ...guest.variables import for_zygote
from ..base import Environment
from . import packets, pythons, rootfs
from .layers import Wall, explain_refusal

_SOURCE = Path(__file__).parents[3]
_GUEST = Path(__file__).parents[2] / "guest"
_SUPERVISE = "import sys; sys.path.insert(0, sys.argv[1]); from insitu.isolation.process.supervisor import main; main()"
_GUEST_MAIN = "import sys; sys.path.insert(0, '/run/insitu'); from insitu_guest.{} import main; main()"
START_TIMEOUT_S = 120.0


class Spawner:
    """Starts the processes of one environment and asks them for sandboxes and interpreters."""

    def __init__(self, environment: Environment, wall: Wall, cgroups: Sequence[str], guest_uid: int) -> None:
        self.environment = environment
        self.about: Mapping[str, Any] = {}
        self._wall = wall
        self._cgroups = cgroups
        self._guest_uid = guest_uid
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: socket.socket | None = None
        self._init: packets.Caller | None = None
        self._zygote: packets.Caller | None = None
        self._starting = anyio.Lock()
        self._ended: dict[int, Ended] = {}
        self._log = os.memfd_create("insitu-log", os.MFD_CLOEXEC)

    async def start(self, tasks: TaskGroup) -> None:
        """Start all three.

        Raises:
            IsolationUnavailable: if the kernel refuses.
            InvalidRequest: if the environment's Python cannot be used.
        """
        self._tasks = tasks
        async with self._starting:
            await self._launch()
        await self._start_zygote()

    async def _launch(self) -> None:
        python = await pythons.probe(self.environment)
        self._executable = python["executable"]
        lifeline, lifeline_theirs = packets.pair()
        control, control_theirs = packets.pair()
        self._lifeline = lifeline
        try:
            with lifeline_theirs, control_theirs:
                self._process = _popen_supervisor(lifeline_theirs, control_theirs, self._log)
            await self._greet(control, rootfs.plan(pythons.folders_of(python), str(_GUEST)))
        except BaseException:
            control.close()
            raise
        self._init = packets.Caller(control, "sandbox maker")
        self._tasks.start_soon(self._init.serve)

    async def _greet(self, control: socket.socket, plan: rootfs.Plan) -> None:
        assert self._lifeline is not None
        await packets.send(self._lifeline, self._supervisor_config(plan))
        await packets.send(control, {**self._walls(), "hidden": plan["hidden"]})
        for sock in (self._lifeline, control):
            packet = await packets.receive(sock)
            if packet is None or "error" in packet[0]:
                raise explain_refusal(" ".join([*([str(packet[0]["error"])] if packet else []), self._said()]))

    async def _launch_again(self) -> None:
        # Without its init, nothing of the environment lives any more: it begins anew, in the same cgroups.
        async with self._starting:
            if self._init is not None and self._init.alive:
                return
            if self._lifeline is not None:
                with contextlib.suppress(OSError):
                    await packets.send(self._lifeline, {"do": "leave the cgroups"})
            if self._zygote is not None:
                await self._zygote.gone.wait()
            self.hang_up()
            self._await_supervisor()
            await self._launch()

    async def make_sandbox(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """Clone a sandbox; returns its agent's pidfd."""
        if self._init is None or not self._init.alive:
            with self._coming_back():
                await self._launch_again()
        assert self._init is not None
        _, pidfd = await self._init.call({"do": "sandbox", **request}, descriptors)
        return pidfd

    async def fork(self, rlimits: Mapping[str, int], descriptors: Sequence[int]) -> tuple[int, Ended]:
        """Fork an interpreter into a sandbox; returns its pidfd and where its end will be told."""
        if self._zygote is None or not self._zygote.alive:
            with self._coming_back():
                await self._start_zygote()
        zygote = self._zygote
        assert zygote is not None
        number, pidfd = await zygote.call({"rlimits": dict(rlimits)}, descriptors)
        return pidfd, self._end_of(number)

    @contextlib.contextmanager
    def _coming_back(self) -> Iterator[None]:
        # At the start this is for the operator to mend; later it meets callers, whose request is not to blame.
        try:
            yield
        except (InvalidRequest, IsolationUnavailable) as error:
            raise SandboxFailed(f"its processes ended, and cannot be started again: {error.message}") from error

    async def _start_zygote(self) -> None:
        async with self._starting:
            if self._zygote is not None and self._zygote.alive:
                return
            if self._init is None or not self._init.alive:
                raise SandboxFailed(f"the environment {self.environment.name!r} has died")
            if self._zygote is not None:
                self._zygote.close()
            ours, theirs = packets.pair()
            argv = [self._executable, "-I", "-X", "utf8", "-c", _GUEST_MAIN.format("zygote")]
            try:
                with theirs:
                    request = {"do": "zygote", "argv": argv, "env": for_zygote()}
                    _, pidfd = await self._init.call(request, [theirs.fileno()])
                os.close(pidfd)
                self.about = await self._introduce(ours)
            except BaseException:
                ours.close()
                raise
            self._ended = {}
            self._zygote = packets.Caller(ours, "zygote")
            self._tasks.start_soon(self._zygote.serve, self._note_end)

    async def _introduce(self, sock: socket.socket) -> Mapping[str, Any]:
        with anyio.move_on_after(START_TIMEOUT_S):
            await packets.send(sock, {"preimport": self.environment.preimport, **self._walls()})
            packet = await packets.receive(sock)
            if packet is not None and "error" not in packet[0]:
                return packet[0]
            said = packet[0]["error"] if packet else self._said()
            raise InvalidRequest(f"the environment {self.environment.name!r} did not start: {said}")
        raise InvalidRequest(f"the environment {self.environment.name!r} did not start within {START_TIMEOUT_S:g} s")

    def _note_end(self, news: Mapping[str, Any]) -> None:
        number, exit_code = news.get("ended"), news.get("exit_code")
        if isinstance(number, int) and isinstance(exit_code, int):
            ended = self._end_of(number)
            ended.exit_code = exit_code
            ended.event.set()

    def _end_of(self, number: int) -> Ended:
        # The news may come before its listener; whoever comes second takes the record away.
        ended = self._ended.pop(number, None)
        if ended is None:
            ended = self._ended[number] = Ended()
        return ended

    def _supervisor_config(self, plan: rootfs.Plan) -> dict[str, Any]:
        return {
            "root": self._wall.root,
            "uids": self._wall.uids,
            "gids": self._wall.gids,
            "rootfs": plan,
            "argv": [self._executable, "-I", "-S", "-X", "utf8", "-c", _GUEST_MAIN.format("init")],
            "cgroups": list(self._cgroups),
            "join": [name for top in self._cgroups for name in _member_files(f"{top}/base")],
        }

    def _walls(self) -> dict[str, Any]:
        return {
            "uid": self._guest_uid,
            "landlock_abi": self._wall.landlock_abi,
            "seccomp": self._wall.seccomp.hex(),
        }

    def _said(self) -> str:
        return os.pread(self._log, 4096, 0).decode(errors="replace").strip() or "it said nothing"

    def hang_up(self) -> None:
        """Let go: the supervisor sees it and ends all the rest."""
        for caller in (self._zygote, self._init):
            if caller is not None:
                caller.close()
        if self._lifeline is not None:
            self._lifeline.close()
        self._zygote = self._init = self._lifeline = None

    def close(self) -> None:
        """Hang up, and wait for the end of all processes; blocks for the few milliseconds that takes."""
        self.hang_up()
        self._await_supervisor()
        os.close(self._log)

    def _await_supervisor(self) -> None:
        if self._process is not None:
            self._process.wait(timeout=30)
        self._process = None


class Ended:
    """How an interpreter ended, once it has."""

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.exit_code: int | None = None


def _member_files(folder: str) -> list[str]:
    name = "tasks" if os.path.exists(f"{folder}/tasks") else "cgroup.procs"
    return [f"{folder}/{name}"]


def _popen_supervisor(lifeline: socket.socket, control: socket.socket, log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _SUPERVISE,
            str(_SOURCE),
            str(lifeline.fileno()),
            str(control.fileno()),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log,
        pass_fds=(lifeline.fileno(), control.fileno()),
        env={"LANG": "C.UTF-8"},
        cwd="/",
    )
