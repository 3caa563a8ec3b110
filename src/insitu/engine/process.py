"""A shell command: an execution beside the interpreter, which the sandbox's agent starts and kills.

Its output comes on two pipes. A third, which no process but the agent holds open, tells the command's end, and by its
own end that of the sandbox: nothing is asked again and again.
"""

from __future__ import annotations

import contextlib
import os
import select
from typing import Literal

import anyio

from ..errors import SandboxFailed
from ..guest import protocol
from ..isolation.base import AgentRefused, Sandbox
from ..types import MIB, CodeError, Execution, Limits, Outcome, Usage
from .clock import StopReason
from .command import Command
from .execution import RunningExecution
from .hearing import Sink
from .recorder import Recorder
from .verdict import shell_code, signal_name

# What a process substitution writes may come a moment after the end of its shell.
_LATE_OUTPUT_S = 0.2
_KILL_TIMEOUT_S = 10.0
_DYING_S = 1.0
_MAX_TEXT = 200


class Process:
    """A command that runs, as the host holds it."""

    def __init__(self, sandbox: Sandbox, sink: Sink) -> None:
        self._sandbox = sandbox
        self._sink = sink
        self._epoll = select.epoll()
        self._outputs: dict[int, Literal["stdout", "stderr"]] = {}  # until their ends
        self._news = -1
        self._scope = anyio.CancelScope()
        self._over = False
        self.stopped: StopReason | None = None
        self.exit_code: int | None = None
        self.cpu_s = 0.0

    def stop(self, reason: StopReason) -> None:
        """Kill it, and what it has started; does nothing the second time, and after its end."""
        if self.stopped is None and not self._over:
            self.stopped = reason
            self._scope.cancel()

    async def run(self, command: Command) -> None:
        """Run it to its end: its own, the time-out's, or a caller's by :meth:`stop`.

        Raises:
            SandboxFailed: if it could not be started, or the sandbox died before it.
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._epoll.close)
            pid = await self._start(command, stack)
            self._scope.deadline = anyio.current_time() + command.timeout_s
            with self._scope:
                await self._until_end()
            if self._scope.cancelled_caught:
                self.stopped = self.stopped or "timeout"
                await self._kill(pid)
            self._over = True
            await self._read_rest()

    async def _start(self, command: Command, stack: contextlib.ExitStack) -> object:
        try:
            with contextlib.ExitStack() as theirs:
                (out, out_w), (err, err_w), (self._news, news_w) = (_pipe(stack, theirs) for _ in range(3))
                self._outputs = {out: "stdout", err: "stderr"}
                for fd in (out, err, self._news):
                    self._epoll.register(fd, select.EPOLLIN)
                body, _ = await self._sandbox.request(
                    "command",
                    b"\0".join(command.strings),
                    descriptors=[out_w, err_w, news_w],
                    arguments=command.arguments,
                    shell=command.shell,
                    folder=command.folder,
                )
        except (AgentRefused, OSError) as error:
            raise SandboxFailed(f"the command could not be started: {error}") from error
        return body.get("pid")

    async def _until_end(self) -> None:
        while self.exit_code is None:
            await anyio.wait_readable(self._epoll)
            ready = {fd for fd, _ in self._epoll.poll(0)}
            for fd in ready & set(self._outputs):
                self._drain(fd)
            if self._news in ready and not self._take_news():
                await self._await_death()
                raise SandboxFailed("the sandbox died while the command ran")

    def _take_news(self) -> bool:
        news = os.read(self._news, protocol.ENDED.size)
        if len(news) != protocol.ENDED.size:
            return False
        self.exit_code, microseconds = protocol.ENDED.unpack(news)
        self.cpu_s = microseconds / 1e6
        return True

    async def _await_death(self) -> None:
        # The agent's descriptors close some milliseconds before the kernel calls it dead, and then others ask.
        with anyio.move_on_after(_DYING_S):
            await self._sandbox.wait_dead()

    async def _kill(self, pid: object) -> None:
        try:
            await self._sandbox.request("kill", pid=pid)
            with anyio.move_on_after(_KILL_TIMEOUT_S):
                await self._until_end()
        except (AgentRefused, SandboxFailed):
            pass  # the sandbox is gone, and the command with it

    async def _read_rest(self) -> None:
        # All that the command itself has written is in the pipes; others that hold them may write for ever.
        self._epoll.unregister(self._news)
        for fd in list(self._outputs):
            self._drain(fd)
        with anyio.move_on_after(_LATE_OUTPUT_S):
            while self._outputs:
                await anyio.wait_readable(self._epoll)
                for fd, _ in self._epoll.poll(0):
                    self._drain(fd)
        if self._outputs and self.stopped is None:
            await self._hand_over()

    async def _hand_over(self) -> None:
        # What goes on in the background must not die of writing where nobody reads.
        try:
            await self._sandbox.request("discard", descriptors=list(self._outputs))
        except (AgentRefused, SandboxFailed):
            pass

    def _drain(self, fd: int) -> None:
        try:
            data = os.read(fd, MIB)  # a pipe's whole content at this moment, and no more: floods have no end
        except BlockingIOError:
            return
        if data:
            self._sink.output(self._outputs[fd], data)
        else:
            self._epoll.unregister(fd)
            del self._outputs[fd]


def _pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    os.set_blocking(read, False)
    return read, write


async def run_command(running: RunningExecution, sandbox: Sandbox, command: Command) -> Execution:
    """Run a command; what is still missing in the value are its timings.

    Raises:
        SandboxFailed: if it could not be carried out; whatever the command does is in the value.
    """
    recorder = Recorder(running.log, sandbox.limits)
    process = Process(sandbox, recorder)
    running.attach(process.stop)
    running.log.append("started", {"id": running.id, "session_id": running.session_id})
    oom_before = oom_kills(sandbox)
    await process.run(command)
    truncated = recorder.finish(False)
    oom_killed = oom_kills(sandbox) > oom_before
    outcome, exit_code, error = _judge(process, oom_killed, sandbox.limits, command.timeout_s, recorder.text("stderr"))
    return Execution(
        id=running.id,
        session_id=running.session_id,
        outcome=outcome,
        state_kept=True,
        exit_code=exit_code,
        stdout=recorder.text("stdout"),
        stderr=recorder.text("stderr"),
        error=error,
        truncated=truncated,
        usage=Usage(process.cpu_s),
    )


def _judge(
    process: Process, oom_killed: bool, limits: Limits, timeout_s: float, stderr: str
) -> tuple[Outcome, int, CodeError | None]:
    """Outcome, exit code and error: first what the host and the kernel saw, then what the agent claims."""
    if process.stopped == "timeout":
        return "timeout", 124, CodeError("Timeout", f"the command ran longer than its {timeout_s:g} s")
    if process.stopped == "cancelled":
        return "cancelled", 130, CodeError("Cancelled", "the command was interrupted")
    if process.exit_code == 0:
        return "ok", 0, None
    assert process.exit_code is not None
    exit_code = shell_code(process.exit_code) & 0xFF
    if oom_killed:
        mib = limits.memory_bytes >> 20
        return "out_of_memory", exit_code, CodeError("OutOfMemory", f"the session used up its {mib} MiB of memory")
    if process.exit_code < 0:
        value = f"the command was killed by {signal_name(-process.exit_code)}"
        return "crashed", exit_code, CodeError("Crashed", value)
    said = stderr.rstrip().rpartition("\n")[2][:_MAX_TEXT]
    return "error", exit_code, CodeError("CommandFailed", f"exit code {exit_code}{': ' if said else ''}{said}")


def oom_kills(sandbox: Sandbox) -> int:
    """The kernel's counter; 0 when it is going away with its sandbox."""
    try:
        return sandbox.oom_kills()
    except OSError:
        return 0
