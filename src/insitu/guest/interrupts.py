"""KeyboardInterrupt while user code runs, and at no other moment."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any, Callable


class Interrupts:
    """Turns SIGINT into KeyboardInterrupt when, by the stack, the signal met user code.

    Args:
        cancel: asked first; returns whether it will end the cell in its own way.
    """

    def __init__(self, cancel: Callable[[], bool]) -> None:
        self._cancel = cancel
        self._pending = False
        self._installed = False
        self._thread = 0

    def install(self) -> None:
        """Handle SIGINT from now on."""
        self._installed = True
        signal.signal(signal.SIGINT, self._on_signal)

    def begin(self, *, forget: bool) -> None:
        """Get ready for a cell; a signal that came before is its own, unless it is to be forgotten."""
        if forget:
            self._pending = False
        self._thread = threading.get_ident()

    def end(self) -> None:
        """Take back what user code may have set and what would fire in the runner."""
        if self._installed:
            signal.alarm(0)
            if signal.getsignal(signal.SIGINT) != self._on_signal:
                signal.signal(signal.SIGINT, self._on_signal)

    def guard(self, call: Callable[..., Any], *args: Any) -> Any:
        """Call something that a signal may interrupt: what runs below this frame counts as user code."""
        return call(*args)

    def shield(self, call: Callable[..., Any], *args: Any) -> None:
        """Call something that must not be cut in half, then raise what came meanwhile."""
        self._shielded(call, *args)
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal had to wait, and need not wait for another shield's end."""
        if self._pending and threading.get_ident() == self._thread and _meets_user_code(sys._getframe(1)):
            self._pending = False
            self._interrupt()

    def _shielded(self, call: Callable[..., Any], *args: Any) -> None:
        call(*args)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if _meets_user_code(frame):
            self._interrupt()
        else:
            self._pending = True

    def _interrupt(self) -> None:
        if not self._cancel():
            raise KeyboardInterrupt


_GUARD = Interrupts.guard.__code__
_SHIELDED = Interrupts._shielded.__code__


def _meets_user_code(top: FrameType | None) -> bool:
    # The stack has no moment in which it lies, unlike a flag that is set just before and cleared just after.
    frame = top
    while frame is not None:
        if frame.f_code is _SHIELDED:
            return False
        if frame.f_code is _GUARD:
            return frame is not top
        frame = frame.f_back
    return False
