"""Running code in front of somebody: output as it comes, and Ctrl-C for the code and not for us."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from .errors import print_error
from .harmless import Harmless
from .signals import InterruptOnce, at_ctrl_c
from .text import note, size

if TYPE_CHECKING:
    from insitu.types import Event, Execution

    from .target import Target

_HINTS = {
    "timeout": "allow more with --time SECONDS",
    "out_of_memory": "allow more with --mem SIZE",
}


def follow(
    target: Target,
    code: str,
    screen: Screen | None,
    *,
    timeout_s: float | None = None,
    env_vars: dict[str, str] | None = None,
) -> Execution:
    """Run code to its end, and show what it says as it says it; Ctrl-C interrupts it, a second one leaves."""
    execution: Execution | None = None
    ctrl_c = InterruptOnce(target)
    try:
        with closing(target.stream(code, timeout_s=timeout_s, env_vars=env_vars)) as events, at_ctrl_c(ctrl_c):
            for event in events:
                ctrl_c.code_runs |= event.kind == "started"
                execution = event.execution
                if screen:
                    screen.show(event)
    finally:
        if screen:
            screen.end_colours()
    assert execution is not None, "a stream that does not end with `finished` raises"
    if screen:
        screen.conclude(execution)
    return execution


class Screen:
    """Standard output and standard error, on which every result and traceback gets lines of its own."""

    def __init__(self) -> None:
        self._mid_line: dict[str, bool] = {}
        self._harmless = {stream: Harmless(stream) for stream in (sys.stdout, sys.stderr)}

    def show(self, event: Event) -> None:
        """Print what an event says."""
        if event.kind in ("stdout", "stderr"):
            self.write(sys.stdout if event.kind == "stdout" else sys.stderr, event.text)
        elif event.kind == "result" and (text := event.data["data"].get("text/plain")):
            self.write_line(sys.stdout, text)

    def conclude(self, execution: Execution) -> None:
        """Print what went wrong."""
        for stream in ("stdout", "stderr"):
            if getattr(execution.truncated, stream):
                kept = size(len(getattr(execution, stream).encode()))
                note(f"{stream} was cut: {kept} is kept (INSITU_OUTPUT_BYTES sets how much); --json has its end")
        error = execution.error
        # Whoever ends their program with sys.exit() expects no traceback.
        if error is None or (error.name == "SystemExit" and execution.outcome == "error"):
            return
        if error.traceback:
            self.write_line(sys.stderr, error.traceback)
        self.end_colours()
        if execution.outcome != "error" and not (execution.outcome == "cancelled" and error.traceback):
            self.write_line(sys.stderr, "")
            print_error(error.value, _HINTS.get(execution.outcome))

    def end_colours(self) -> None:
        """Let what comes next look as it would have before the code ran."""
        for stream, harmless in self._harmless.items():
            if end := harmless.end():
                stream.write(end)
                stream.flush()

    def write_line(self, stream: TextIO, text: str) -> None:
        """Print text on lines of its own."""
        if self._mid_line.get(_place(stream)):
            text = f"\n{text}"
        self.write(stream, text if text.endswith("\n") or not text else f"{text}\n")

    def write(self, stream: TextIO, text: str) -> None:
        """Print text, which cannot steer a terminal."""
        if text := self._harmless[stream](text):
            stream.write(text)
            stream.flush()
            self._mid_line[_place(stream)] = not text.endswith("\n")


def _place(stream: TextIO) -> str:
    return "terminal" if stream.isatty() else stream.name


def alone(execution: Execution) -> Execution:
    """The execution without the session that was made for it and is gone."""
    return replace(execution, session_id=None)
