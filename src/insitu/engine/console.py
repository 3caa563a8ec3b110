"""One interpreter, driven through one execution at a time.

All that an interpreter says arrives on three descriptors, its death on a fourth; one epoll holds them, so that one
wait serves all and the order in which things are handled is this module's decision.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from typing import Any, Literal

import anyio

from ..guest import protocol
from ..isolation.base import Interpreter
from ..types import MIB
from .clock import Clock, StopReason
from .hearing import Calls, Hearing, Sink
from .outgoing import Outgoing

_READS_OF_THE_DEAD = 8
_DYING_S = 0.2


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
        self._decoder = protocol.Decoder(0)
        self._epoll = select.epoll()
        for fd in (interpreter.answers, interpreter.stdout, interpreter.stderr, interpreter.pidfd):
            self._epoll.register(fd, select.EPOLLIN)
        self._ending = Ending()
        self._clock: Clock | None = None
        self._outgoing = Outgoing(interpreter.requests, self._epoll)
        self._closed = False
        self.dead = False

    async def run(
        self, request: dict[str, Any], tail: bytes, sink: Sink, calls: Calls, *, timeout_s: float, grace_s: float
    ) -> Ending:
        """Run code to its end: its own, the time-out's, or a caller's by :meth:`stop`."""
        # The interrupt of the execution before may have come after its end, and must not hit this one.
        request = {**request, "stale_interrupt": self._clock is not None and self._clock.stopped is not None}
        self._ending = ending = Ending()
        hearing = Hearing(self._decoder, self._results_bytes, sink, calls, self.send)
        self._clock = clock = Clock(self._interpreter, timeout_s, grace_s)
        self.send(protocol.json_frame(protocol.EXECUTE, request, tail))
        while True:
            with clock.scope:
                await self._watch(sink, hearing, calls, clock)
                ending.claim, ending.stopped = hearing.claim, clock.stopped
                return ending
            self.dead = clock.escalate()

    def pause(self, until: float) -> None:
        """Let the clock stand still, until then at the most; what it stood still for is given up then."""
        if self._clock is not None:
            self._clock.pause(until)

    def resume(self) -> None:
        """Let the clock go on."""
        if self._clock is not None:
            self._clock.resume()

    def stop(self, reason: StopReason) -> None:
        """Interrupt the code; after the grace time it is killed. Does nothing the second time."""
        if self._clock is not None:
            self._clock.stop(reason)

    async def _watch(self, sink: Sink, hearing: Hearing, calls: Calls, clock: Clock) -> None:
        if not clock.overdue:
            return await self._until_over(sink, hearing)
        # Its code goes on when there is room for it to run, and may end before.
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._give_up_calls, calls, clock)
            await self._until_over(sink, hearing)
            tasks.cancel_scope.cancel()

    async def _give_up_calls(self, calls: Calls, clock: Clock) -> None:
        await calls.give_up()
        clock.overdue = False

    @property
    def unsent(self) -> int:
        """How many bytes the interpreter has not taken yet."""
        return len(self._outgoing)

    def send(self, frame: bytes) -> None:
        """Send the interpreter a frame, behind those before; what it does not take now goes out as it does."""
        self._outgoing.send(frame)

    async def _until_over(self, sink: Sink, hearing: Hearing) -> None:
        interpreter, epoll = self._interpreter, self._epoll
        over = hearing.claim is not None
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
                self._outgoing.go_on()
            if interpreter.answers in ready:
                over = self._receive(sink, hearing)
            if interpreter.pidfd in ready and not over:
                self.dead = over = True
                if self._ending.violation is None:
                    self._receive_rest(sink, hearing)
                self._drain_both(sink)

    def _receive(self, sink: Sink, hearing: Hearing) -> bool:
        """Handle what has come; whether the execution is over."""
        try:
            data = os.read(self._interpreter.answers, hearing.appetite)
        except BlockingIOError:
            return False
        if not data:
            self._epoll.unregister(self._interpreter.answers)
            self._closed = True
            return False
        # All that was written before these frames is in the pipes by now, and has to come before them.
        self._drain_both(sink)
        try:
            hearing.take(data)
        except protocol.ProtocolError as error:
            self._give_up(str(error))
        return hearing.claim is not None

    async def _await_death(self) -> None:
        # Who dies closes the channel a moment before; whoever closes it and lives on is killed.
        with anyio.move_on_after(_DYING_S) as patience:
            await anyio.wait_readable(self._interpreter.pidfd)
        self._closed = False
        if patience.cancelled_caught:
            self._ending.violation = "it closed its channel"
            self._interpreter.signal(signal.SIGKILL)

    def _receive_rest(self, sink: Sink, hearing: Hearing) -> None:
        with contextlib.suppress(BlockingIOError, OSError, protocol.ProtocolError):
            # Bounded: what it has forked may hold the channel, too, and fill it for ever.
            for _ in range(_READS_OF_THE_DEAD):
                if self._receive(sink, hearing):
                    break

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
        self._clock = None  # a stop that comes later must not signal whoever has the descriptor by then
        self._epoll.close()
        self._interpreter.close()
