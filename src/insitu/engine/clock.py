"""The time that an execution has, and what becomes of its code when that is over."""

from __future__ import annotations

import math
import signal
from typing import Literal

import anyio

from ..isolation.base import Interpreter

StopReason = Literal["timeout", "cancelled"]
# An interrupt may be lost on its way; after so long, and twice as long each time, the interpreter looks again.
_FIRST_NUDGE_S = 0.01


class Clock:
    """Runs while code does, or stands still; at its end the code is interrupted, and after the grace time killed.

    Args:
        scope: what is awaited within it is cancelled when there is something to do by :meth:`escalate`.
        stopped: why the code was interrupted, if it was.
        overdue: whether the clock has stood still for long enough.
    """

    def __init__(self, interpreter: Interpreter, timeout_s: float, grace_s: float) -> None:
        self._interpreter = interpreter
        self._grace_s = grace_s
        self._left_s: float | None = None
        self._kill_at = self._nudge_s = 0.0
        self.scope = anyio.CancelScope(deadline=anyio.current_time() + timeout_s)
        self.stopped: StopReason | None = None
        self.overdue = False

    def pause(self, until: float) -> None:
        """Stand still, until then at the most; what it stood still for is given up then."""
        if self.stopped is None:
            if self._left_s is None:
                self._left_s = max(self.scope.deadline - anyio.current_time(), 0.0)
            self.scope.deadline = until

    def resume(self) -> None:
        """Go on."""
        if self._left_s is not None and self.stopped is None:
            self.scope.deadline = anyio.current_time() + self._left_s
        self._left_s = None

    def stop(self, reason: StopReason) -> None:
        """Interrupt the code; does nothing the second time."""
        if self.stopped is None:
            self.scope.deadline = self._interrupt(reason)

    def escalate(self) -> bool:
        """Do what is due, and begin another scope; returns whether the interpreter has been killed."""
        now = anyio.current_time()
        if self.stopped is None and self._left_s is not None:
            self.overdue, due = True, math.inf
        elif self.stopped is None:
            due = self._interrupt("timeout")
        elif now < self._kill_at:
            due = self._nudge(now)
        else:
            self._interpreter.signal(signal.SIGKILL)
            due = math.inf
        self.scope = anyio.CancelScope(deadline=due)
        return self.stopped is not None and due == math.inf

    def _interrupt(self, reason: StopReason) -> float:
        self.stopped = reason
        self._interpreter.signal(signal.SIGINT)
        now = anyio.current_time()
        self._kill_at, self._nudge_s = now + self._grace_s, _FIRST_NUDGE_S
        return min(now + self._nudge_s, self._kill_at)

    def _nudge(self, now: float) -> float:
        # Not by a second SIGINT: what the code does at the first, such as its cleaning up, must not be interrupted.
        self._interpreter.signal(signal.SIGURG)
        self._nudge_s *= 2
        return min(now + self._nudge_s, self._kill_at)
