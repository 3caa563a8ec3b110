"""What code writes and displays, within its limits, on its way into the log."""

from __future__ import annotations

from typing import Any, Literal

from ..types import Limits, Result, Truncated
from .log import CappedOutput, EventLog

Stream = Literal["stdout", "stderr"]
_STREAMS: tuple[Stream, ...] = ("stdout", "stderr")
# After so many events of an execution, output is put together to so many characters; what a result costs at least.
_PROMPT_EVENTS, _EVENT_TEXT, _LEAST_RESULT = 2000, 8192, 1024


class Recorder:
    """Takes what code writes and displays, within its limits, and puts it into the log."""

    def __init__(self, log: EventLog, limits: Limits) -> None:
        self._log = log
        self._outputs = {stream: CappedOutput(limits.output_bytes) for stream in _STREAMS}
        self._held: dict[Stream, str] = dict.fromkeys(_STREAMS, "")
        self._room = limits.results_bytes
        self.results: list[Result] = []
        self.results_truncated = False

    def output(self, stream: Stream, data: bytes) -> None:
        """Take some bytes that the code wrote."""
        before = self._outputs[stream].truncated
        self._held[stream] += self._outputs[stream].feed(data)
        # An event costs the host more than a byte does: from some number on they are put together.
        if len(self._log) < _PROMPT_EVENTS or len(self._held[stream]) >= _EVENT_TEXT:
            self._release(stream)
        if self._outputs[stream].truncated and not before:
            self._held[stream] += "\n[… more output than is streamed …]\n"
            self._release(stream)

    def admits(self, size: int, swells: bool) -> bool:
        """Whether there is room for a result of ``size`` bytes."""
        self._room -= max(size, _LEAST_RESULT)
        self.results_truncated |= swells or self._room < 0
        return not swells and self._room >= 0

    def result(self, data: dict[str, Any], main: bool) -> None:
        """Take one thing that the code displayed."""
        for stream in _STREAMS:
            self._release(stream)
        self.results.append(Result(data, main))
        self._log.append("result", {"data": data, "main": main})

    def text(self, stream: Stream) -> str:
        """What is kept of a stream."""
        return self._outputs[stream].text()

    def finish(self, claimed: bool) -> Truncated:
        """Put out what was held back, and say what was cut."""
        for stream in _STREAMS:
            self._held[stream] += self._outputs[stream].rest()
            self._release(stream)
        cut = {stream: self._outputs[stream].truncated for stream in _STREAMS}
        return Truncated(**cut, results=self.results_truncated or claimed)

    def _release(self, stream: Stream) -> None:
        if self._held[stream]:
            self._log.append(stream, {"text": self._held[stream]})
            self._held[stream] = ""
