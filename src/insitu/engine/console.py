"""One interpreter, driven through one execution at a time.

All that an interpreter says arrives on three descriptors, its death on a fourth; one epoll holds them, so that one
wait serves all and the order in which things are handled is this module's decision.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import anyio

from ..guest import protocol
from ..isolation.base import Interpreter
from ..types import MIB
from .bulk import Bulk

StopReason = Literal["timeout", "cancelled"]
# What an honest frame may hold besides results: a traceback and a listing.
_SLACK = 2 * MIB
_KILL_TIMEOUT_S = 10.0
_MOST_FRAMES = 20_000
_READS_OF_THE_DEAD = 8
_DYING_S = 0.2
# An interrupt may be lost on its way; after so long, and twice as long each time, the interpreter looks again.
_FIRST_NUDGE_S = 0.01
_READ = _WRITE = 1 << 18
# Whoever sends many frames is heard a little at a time, so that all others are served between.
_FEW_FRAMES, _READ_OF_MANY = 1000, 1 << 13


class Sink(Protocol):
    """Where an execution's output goes."""

    def output(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Take some bytes that the code wrote."""

    def admits(self, size: int, swells: bool) -> bool:
        """Whether there is room for a result of ``size`` bytes; one that swells when it is parsed has none."""

    def result(self, data: dict[str, Any], main: bool) -> None:
        """Take one thing that the code displayed."""


class Calls(Protocol):
    """Where the code's calls of tools go."""

    @property
    def most_bytes(self) -> int:
        """How much an honest call has at the most; 0 if there are no tools."""

    def take(self, payload: bytes) -> None:
        """Take in a call.

        Raises:
            ProtocolError: if no honest interpreter sends that.
        """

    async def give_up(self) -> None:
        """Answer, in their stead, those for whom the clock has stood still for long enough; it may take its time."""


@dataclass(slots=True)
class Ending:
    """How an execution ended, as far as the host saw it.

    Args:
        claim: the interpreter's last frame; None if it died without one.
        stopped: why the host ended it, if it did.
        violation: what it sent that no honest interpreter sends.
    """

    claim: dict[str, Any] | None = None
    stopped: StopReason | None = None
    violation: str | None = None


class Console:
    """The host's end of an interpreter."""

    def __init__(self, interpreter: Interpreter, results_bytes: int) -> None:
        self._interpreter = interpreter
        self._results_bytes = results_bytes
        self._decoder = protocol.Decoder(results_bytes + _SLACK)
        self._epoll = select.epoll()
        for fd in (interpreter.answers, interpreter.stdout, interpreter.stderr, interpreter.pidfd):
            self._epoll.register(fd, select.EPOLLIN)
        self._ending = Ending()
        self._calls: Calls | None = None
        self._scope: anyio.CancelScope | None = None
        self._frames = 0
        self._bulk = Bulk()
        self._grace_s = self._kill_at = self._nudge_s = 0.0
        self._unsent = bytearray()
        self._left_s: float | None = None
        self._overdue = False
        self._closed = False
        self.dead = False

    async def run(
        self, request: dict[str, Any], tail: bytes, sink: Sink, calls: Calls, *, timeout_s: float, grace_s: float
    ) -> Ending:
        """Run code to its end: its own, the time-out's, or a caller's by :meth:`stop`."""
        # The interrupt of the execution before may have come after its end, and must not hit this one.
        request = {**request, "stale_interrupt": self._ending.stopped is not None}
        self._ending = ending = Ending()
        self._calls = calls
        self._decoder.max_payload = max(self._results_bytes + _SLACK, calls.most_bytes)
        self._frames = 0
        self._bulk = Bulk()
        self._grace_s = grace_s
        self._left_s, self._overdue = None, False
        self.send(protocol.json_frame(protocol.EXECUTE, request, tail))
        deadline = anyio.current_time() + timeout_s
        while True:
            with anyio.CancelScope(deadline=deadline) as self._scope:
                await self._watch(sink, calls)
                return ending
            deadline = self._escalate()

    def pause(self, until: float) -> None:
        """Let the clock stand still, until then at the most; what it stood still for is given up then."""
        if self._ending.stopped is None and self._scope is not None:
            if self._left_s is None:
                self._left_s = max(self._scope.deadline - anyio.current_time(), 0.0)
            self._scope.deadline = until

    def resume(self) -> None:
        """Let the clock go on."""
        if self._left_s is not None and self._ending.stopped is None and self._scope is not None:
            self._scope.deadline = anyio.current_time() + self._left_s
        self._left_s = None

    def stop(self, reason: StopReason) -> None:
        """Interrupt the code; after the grace time it is killed. Does nothing the second time."""
        if self._ending.stopped is None and self._scope is not None:
            self._scope.deadline = self._interrupt(reason)

    async def _watch(self, sink: Sink, calls: Calls) -> None:
        if not self._overdue:
            return await self._until_over(sink)
        # Its code goes on when there is room for it to run, and may end before.
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._give_up_calls, calls)
            await self._until_over(sink)
            tasks.cancel_scope.cancel()

    async def _give_up_calls(self, calls: Calls) -> None:
        await calls.give_up()
        self._overdue = False

    def _escalate(self) -> float:
        if self._left_s is not None and self._ending.stopped is None:
            self._overdue = True
            return math.inf
        if self._ending.stopped is None:
            return self._interrupt("timeout")
        if self.dead:
            return math.inf
        if anyio.current_time() < self._kill_at:
            return self._nudge()
        self.dead = True
        self._interpreter.signal(signal.SIGKILL)
        return anyio.current_time() + _KILL_TIMEOUT_S

    def _interrupt(self, reason: StopReason) -> float:
        self._ending.stopped = reason
        self._interpreter.signal(signal.SIGINT)
        self._kill_at = anyio.current_time() + self._grace_s
        self._nudge_s = _FIRST_NUDGE_S
        return min(anyio.current_time() + self._nudge_s, self._kill_at)

    def _nudge(self) -> float:
        # Not by a second SIGINT: what the code does at the first, such as its cleaning up, must not be interrupted.
        self._interpreter.signal(signal.SIGURG)
        self._nudge_s *= 2
        return min(anyio.current_time() + self._nudge_s, self._kill_at)

    @property
    def unsent(self) -> int:
        """How many bytes the interpreter has not taken yet."""
        return len(self._unsent)

    def send(self, frame: bytes) -> None:
        """Send the interpreter a frame, behind those before; what it does not take now goes out as it does."""
        waits = bool(self._unsent)
        self._unsent += frame
        if not waits:
            self._flush()
            if self._unsent:
                self._epoll.register(self._interpreter.requests, select.EPOLLOUT)

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._interpreter.requests, memoryview(self._unsent)[:_WRITE])]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent.clear()  # it is dead, which its pidfd will tell

    def _send_more(self) -> None:
        self._flush()
        if not self._unsent:
            self._epoll.unregister(self._interpreter.requests)

    async def _until_over(self, sink: Sink) -> None:
        interpreter, epoll = self._interpreter, self._epoll
        over = False
        while not over:
            if self._closed:
                await self._await_death()
            await anyio.wait_readable(epoll)
            ready = {fd for fd, _ in epoll.poll(0)}
            if interpreter.stdout in ready:
                self._drain(sink, "stdout", interpreter.stdout)
            if interpreter.stderr in ready:
                self._drain(sink, "stderr", interpreter.stderr)
            if interpreter.requests in ready:
                self._send_more()
            if interpreter.answers in ready:
                over = self._receive(sink)
            if interpreter.pidfd in ready and not over:
                self.dead = over = True
                if self._ending.violation is None:
                    self._receive_rest(sink)
                self._drain_both(sink)

    def _receive(self, sink: Sink) -> bool:
        """Handle what has come; whether the execution is over."""
        try:
            data = os.read(self._interpreter.answers, _READ if self._frames < _FEW_FRAMES else _READ_OF_MANY)
        except BlockingIOError:
            return False
        if not data:
            self._epoll.unregister(self._interpreter.answers)
            self._closed = True
            return False
        # All that was written before these frames is in the pipes by now, and has to come before them.
        self._drain_both(sink)
        over = False
        try:
            for kind, payload in self._decoder.feed(data):
                self._count_frame()
                over = over or self._handle(kind, payload, sink)  # what follows the last frame is no honest peer's
        except protocol.ProtocolError as error:
            self._give_up(str(error))
        return over

    async def _await_death(self) -> None:
        # Who dies closes the channel a moment before; whoever closes it and lives on is killed.
        with anyio.move_on_after(_DYING_S) as patience:
            await anyio.wait_readable(self._interpreter.pidfd)
        self._closed = False
        if patience.cancelled_caught:
            self._ending.violation = "it closed its channel"
            self._interpreter.signal(signal.SIGKILL)

    def _receive_rest(self, sink: Sink) -> None:
        with contextlib.suppress(BlockingIOError, OSError, protocol.ProtocolError):
            # Bounded: what it has forked may hold the channel, too, and fill it for ever.
            for _ in range(_READS_OF_THE_DEAD):
                if self._receive(sink):
                    break

    def _handle(self, kind: int, payload: bytes, sink: Sink) -> bool:
        if kind == protocol.FINISHED:
            if len(payload) > _SLACK or Bulk().add(payload):
                raise protocol.ProtocolError(f"its last frame is out of all bounds, with {len(payload)} bytes")
            claim, _ = protocol.parse_json(payload)
            if protocol.is_deep(claim):
                raise protocol.ProtocolError("its last frame is nested too deep")
            self._ending.claim = claim
            return True
        if kind == protocol.RESULT:
            main = False
            # Charged before it is parsed: what has no room costs the host no more than its bytes.
            if sink.admits(len(payload), self._bulk.add(payload)):
                body, _ = protocol.parse_json(payload)
                main = bool(body.get("main"))
                if protocol.is_deep(body):
                    sink.admits(0, True)
                elif isinstance(body.get("data"), dict):
                    sink.result(body["data"], main)
            if not main:
                self.send(protocol.frame(protocol.SEEN))
        elif kind == protocol.TOOL_CALL:
            assert self._calls is not None
            self._calls.take(payload)
        return False

    def _count_frame(self) -> None:
        self._frames += 1
        if self._frames > _MOST_FRAMES:
            raise protocol.ProtocolError(f"it sent more than {_MOST_FRAMES} frames in one execution")

    def _drain_both(self, sink: Sink) -> None:
        self._drain(sink, "stdout", self._interpreter.stdout)
        self._drain(sink, "stderr", self._interpreter.stderr)

    def _drain(self, sink: Sink, stream: Literal["stdout", "stderr"], fd: int) -> None:
        try:
            data = os.read(fd, MIB)  # a pipe's whole content at this moment, and no more: floods have no end
        except BlockingIOError:
            return
        if data:
            sink.output(stream, data)
        else:
            with contextlib.suppress(FileNotFoundError):
                self._epoll.unregister(fd)  # every writer has closed it

    def _give_up(self, violation: str) -> None:
        self._ending.violation = violation
        with contextlib.suppress(FileNotFoundError):
            self._epoll.unregister(self._interpreter.answers)
        self._interpreter.signal(signal.SIGKILL)

    @property
    def alive(self) -> bool:
        """Whether the interpreter still runs: code of an earlier execution may have ended it since."""
        return all(fd != self._interpreter.pidfd for fd, _ in self._epoll.poll(0))

    def kill(self) -> None:
        """Kill the interpreter at once."""
        self._interpreter.signal(signal.SIGKILL)

    async def exit_code(self) -> int | None:
        """How the dead interpreter ended, negative for a signal; None if nobody knows."""
        return await self._interpreter.exit_code()

    def close(self) -> None:
        """Kill what still lives, and close the host's ends."""
        self.kill()
        self._scope = None  # a stop that comes later must not signal whoever has the descriptor by then
        self._epoll.close()
        self._interpreter.close()
