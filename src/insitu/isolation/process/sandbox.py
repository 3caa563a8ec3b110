"""The server's side of one sandbox of the process tier, and of an interpreter in it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio

from ...errors import SandboxFailed
from ...guest import protocol
from ...types import MIB, Limits
from ..base import Interpreter, Sandbox
from .cgroup import Group
from .conversation import Conversation, send_all
from .spawner import Ended, Spawner

_MOST_GREETING = 2 * MIB
_START_TIMEOUT_S = 30.0
_PIPE_BYTES = 1 << 18


class ProcessInterpreter(Interpreter):
    """An interpreter that a zygote has forked."""

    def __init__(self, requests: int, answers: int, stdout: int, stderr: int, pidfd: int, ended: Ended) -> None:
        self.requests, self.answers = requests, answers
        self.stdout, self.stderr, self.pidfd = stdout, stderr, pidfd
        self._ended = ended

    def signal(self, number: int) -> None:
        send_signal(self.pidfd, number)

    async def exit_code(self) -> int | None:
        with anyio.move_on_after(1):  # its zygote may have died before it
            await self._ended.event.wait()
        return self._ended.exit_code


class ProcessSandbox(Sandbox):
    """Namespaces with an agent in them."""

    def __init__(
        self,
        number: int,
        spawner: Spawner,
        limits: Limits,
        cgroup: Group | None,
        on_close: Callable[[ProcessSandbox], None],
    ) -> None:
        self.number = number
        self.limits = limits
        self.layers: Mapping[str, str] = {}
        self._spawner = spawner
        self._cgroup = cgroup
        self._on_close = on_close
        self._closing = anyio.Lock()
        self._agent = Conversation(lambda: send_signal(self._pidfd, signal.SIGKILL))
        self._pidfd = -1
        self._cpu_before = 0.0
        self.first: Interpreter | None = None

    async def open(self, request: Mapping[str, Any]) -> None:
        """Make the namespaces, and start the first interpreter while the agent still sets up."""
        self._rlimits = request["rlimits"]
        with contextlib.ExitStack() as theirs:
            gate_r, gate_w = _pipe(theirs, theirs)
            with contextlib.ExitStack() as far:
                agent, end = socket.socketpair()
                far.callback(end.close)
                agent.setblocking(False)
                self._agent.begin(agent)
                members = self._open_members(far)
                self._pidfd = await self._spawner.make_sandbox(request, [end.fileno(), gate_w, *members])
            self.first = await self._fork(gate_r)

    async def start_interpreter(self) -> Interpreter:
        if self.first is not None:
            interpreter, self.first = self.first, None
            if not is_dead(interpreter.pidfd):
                return interpreter
            interpreter.close()  # killed while it waited, before any code could be to blame
        try:
            with contextlib.ExitStack() as theirs:
                gate_r, gate_w = _pipe(theirs, theirs)
                os.write(gate_w, b"1")
                return await self._fork(gate_r)
        except (OSError, TimeoutError) as error:
            raise SandboxFailed(f"an interpreter could not be started: {str(error) or 'it took too long'}") from error

    def _open_members(self, stack: contextlib.ExitStack) -> list[int]:
        members = self._cgroup.open_members() if self._cgroup else []
        for fd in members:
            stack.callback(os.close, fd)
        return members

    async def rehearse(self) -> None:
        if self.first is not None:
            await send_all(self.first.requests, protocol.frame(protocol.REHEARSE))
            await self._await_ready(self.first)

    async def _fork(self, gate: int) -> Interpreter:
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            requests_r, requests_w = _pipe(theirs, ours)
            (answers_r, answers_w), (out_r, out_w), (err_r, err_w) = (_pipe(ours, theirs) for _ in range(3))
            descriptors = [self._pidfd, gate, out_w, err_w, answers_w, requests_r, *self._open_members(theirs)]
            pidfd, ended = await self._spawner.fork(self._rlimits, descriptors)
            for fd in (requests_w, answers_r, out_r, err_r):
                os.set_blocking(fd, False)
            interpreter = ProcessInterpreter(requests_w, answers_r, out_r, err_r, pidfd, ended)
            ours.pop_all()
        try:
            await self._await_ready(interpreter)
        except BaseException:
            interpreter.signal(signal.SIGKILL)
            interpreter.close()
            raise
        return interpreter

    async def _await_ready(self, interpreter: Interpreter) -> None:
        try:
            await self._hear_ready(interpreter)
        except protocol.ProtocolError as error:
            raise SandboxFailed(f"the sandbox's interpreter did not start: {error}") from error

    async def _hear_ready(self, interpreter: Interpreter) -> None:
        decoder = protocol.Decoder(_MOST_GREETING)
        with anyio.fail_after(_START_TIMEOUT_S):
            while True:
                await anyio.wait_readable(interpreter.answers)
                data = os.read(interpreter.answers, 1 << 16)
                if not data:
                    said = _drain(interpreter.stderr)
                    raise SandboxFailed(f"the sandbox's interpreter did not start: {said or 'it said nothing'}")
                for kind, payload in decoder.feed(data):
                    if kind == protocol.READY:
                        self.layers = {**self.layers, **_layers(payload)}
                        return

    async def request(
        self, do: str, tail: bytes = b"", *, descriptors: Sequence[int] = (), **arguments: Any
    ) -> tuple[dict[str, Any], bytes]:
        return await self._agent.request(do, tail, descriptors, arguments)

    def oom_kills(self) -> int:
        return self._cgroup.oom_kills() if self._cgroup else 0

    def start_usage(self) -> None:
        if self._cgroup:
            self._cgroup.reset_peak()
            self._cpu_before = self._cgroup.cpu_seconds() or 0.0

    def usage(self) -> tuple[float | None, int | None]:
        if self._cgroup is None:
            return None, None
        seconds = self._cgroup.cpu_seconds()
        return None if seconds is None else seconds - self._cpu_before, self._cgroup.peak()

    @property
    def alive(self) -> bool:
        return self._agent.begun and self._pidfd >= 0 and not is_dead(self._pidfd)

    async def wait_dead(self) -> None:
        if self._pidfd < 0:
            return
        # An event loop has one waiter for a descriptor, so everybody has a descriptor of their own.
        waiter = os.dup(self._pidfd)
        try:
            await anyio.wait_readable(waiter)
        finally:
            os.close(waiter)

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            async with self._closing:
                await self._close()

    async def _close(self) -> None:
        if self._pidfd >= 0:
            # Its death wakes whoever waits for an answer; only then is the socket nobody's.
            send_signal(self._pidfd, signal.SIGKILL)
            await self.wait_dead()
        await self._agent.end()
        await self._remove_cgroup()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        if self.first is not None:
            self.first.close()
            self.first = None
        self._on_close(self)

    async def _remove_cgroup(self) -> None:
        deadline = time.monotonic() + 5
        while self._cgroup is not None and not self._cgroup.remove():
            if time.monotonic() > deadline:
                return  # the supervisor removes what is left when the server ends
            await anyio.sleep(0.002)
        self._cgroup = None


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


def _layers(payload: bytes) -> Mapping[str, str]:
    layers = protocol.parse_json(payload)[0].get("layers", {})
    if not isinstance(layers, dict) or not all(isinstance(said, str) for said in layers.values()):
        raise protocol.ProtocolError("its layers are no words")
    return layers


def send_signal(pidfd: int, number: int) -> None:
    """Send a signal; nothing happens if the process is dead, or never was."""
    if pidfd < 0:
        return
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        pass


def is_dead(pidfd: int) -> bool:
    """Whether the process has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _drain(fd: int) -> str:
    try:
        return os.read(fd, 4096).decode(errors="replace").strip()
    except BlockingIOError:
        return ""
