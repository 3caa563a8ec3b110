"""Whom Ctrl-C is for: the code, the prompt, or this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING

from insitu.errors import InsituError

from .errors import INTERRUPTED

if TYPE_CHECKING:
    from .target import Target

Handler = Callable[[int, FrameType | None], object]

raise_it: Handler = signal.default_int_handler


@contextmanager
def at_ctrl_c(handler: Handler) -> Iterator[None]:
    """Let Ctrl-C do this, within the block; what is started in the background, and ignores it, goes on to do so."""
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave(number: int, frame: FrameType | None) -> None:
    """End this process, and with it what it has started: the kernel sees to that, and half an engine cannot."""
    os._exit(INTERRUPTED)


class InterruptOnce:
    """Interrupts what runs in the target, the first time; from then on it does what was to be done before."""

    def __init__(self, target: Target) -> None:
        self.code_runs = False
        self._target = target
        self._otherwise = signal.getsignal(signal.SIGINT)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.code_runs:
            self.code_runs = False
            # The main thread is in the middle of reading the stream, on whose end it goes on waiting.
            Thread(target=self._interrupt, daemon=True).start()
        elif callable(self._otherwise):
            self._otherwise(number, frame)

    def _interrupt(self) -> None:
        try:
            self._target.interrupt()
        except InsituError:
            pass  # the stream has broken as well, and says why
