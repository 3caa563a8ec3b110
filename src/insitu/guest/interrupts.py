"""KeyboardInterrupt while user code runs, and at no other moment."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Callable


class Interrupts:
    """Turns SIGINT into KeyboardInterrupt when, by the stack, the signal met user code.

    A signal that comes just before a system call does not end it, and is handled after it; a KeyboardInterrupt within
    a finalizer is dropped. So whoever sends SIGINT sends SIGURG behind it until the code has ended: this wakes the
    main thread from what it waits in, and brings up again what was dropped, but is never an interrupt of its own.

    Args:
        cancel: asked first; returns whether it will end the cell in its own way.
    """

    def __init__(self, cancel: Callable[[], bool]) -> None:
        self._cancel = cancel
        self._pending = False
        self._installed = False
        self._thread = 0
        self._report = sys.unraisablehook

    def install(self) -> None:
        """Handle SIGINT from now on."""
        self._installed = True
        self._handle_signals()
        sys.unraisablehook = self._on_unraisable

    def begin(self, *, forget: bool) -> None:
        """Get ready for a cell; a signal that came before is its own, unless it is to be forgotten."""
        if forget:
            self._pending = False
        self._thread = threading.get_ident()

    def end(self) -> None:
        """Take back what user code may have set and what would fire in the runner."""
        if self._installed:
            signal.alarm(0)
            self._handle_signals()

    def guard(self, call: Callable[..., Any], *args: Any) -> Any:
        """Call something that a signal may interrupt: what runs below this frame counts as user code."""
        return call(*args)

    def shield(self, call: Callable[..., Any], *args: Any) -> None:
        """Call something that must not be cut in half, then raise what came meanwhile."""
        self._shielded(call, *args)
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal had to wait, and need not wait for another shield's end."""
        if self._pending and threading.get_ident() == self._thread:
            self._deliver(sys._getframe(1))

    def _shielded(self, call: Callable[..., Any], *args: Any) -> None:
        call(*args)

    def _handle_signals(self) -> None:
        for number, handler in ((signal.SIGINT, self._on_signal), (signal.SIGURG, self._on_nudge)):
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._pending = True
        self._deliver(frame)

    def _on_nudge(self, number: int, frame: FrameType | None) -> None:
        self._deliver(frame)

    def _on_unraisable(self, unraisable: Any) -> None:
        if _was_raised_here(unraisable.exc_traceback):
            self._pending = True
        else:
            self._report(unraisable)

    def _deliver(self, frame: FrameType | None) -> None:
        if self._pending and _meets_user_code(frame):
            self._pending = False
            self._interrupt()

    def _interrupt(self) -> None:
        if not self._cancel():
            raise KeyboardInterrupt


_GUARD = Interrupts.guard.__code__
_SHIELDS = (Interrupts._shielded.__code__, Interrupts._on_unraisable.__code__)
_RAISES = Interrupts._interrupt.__code__


def _meets_user_code(top: FrameType | None) -> bool:
    # The stack has no moment in which it lies, unlike a flag that is set just before and cleared just after.
    frame = top
    while frame is not None:
        if frame.f_code in _SHIELDS:
            return False
        if frame.f_code is _GUARD:
            return frame is not top
        frame = frame.f_back
    return False


def _was_raised_here(link: TracebackType | None) -> bool:
    while link is not None and link.tb_next is not None:
        link = link.tb_next
    return link is not None and link.tb_frame.f_code is _RAISES
