"""The probe beside the load: what it measures, and whether what fails for it may fail."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from .ledger import Held, Ledger, Round
from .load import BOUND_S

WAYS = ("live", "fresh")
_CLEAR = ("sandbox_failed", "session_not_found", "crashed")


class Probing:
    """What the probe has seen.

    Args:
        phases: the names of those that there are.
    """

    def __init__(self, ledger: Ledger, phases: tuple[str, ...]) -> None:
        self.phase = phases[0]
        self.samples_ms: dict[str, dict[str, list[float]]] = {phase: {way: [] for way in WAYS} for phase in phases}
        self._ledger = ledger
        self._held: Held | None = None

    @asynccontextmanager
    async def measuring(self, port: int) -> AsyncIterator[None]:
        """Have it measure for as long as the block."""
        command = [sys.executable, "-m", "benchmarks.soak.probe", str(port)]
        async with await anyio.open_process(command, stderr=None) as process, anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, process)
            yield
            assert process.stdin is not None
            await process.stdin.aclose()
            with anyio.move_on_after(BOUND_S) as patience:
                await process.wait()
            if patience.cancelled_caught:
                self._ledger.breach("probe", f"its last request hangs: it is not over after {BOUND_S:g} s")
                process.kill()

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None
        rest = ""
        async for text in TextReceiveStream(process.stdout):
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                self._note(json.loads(line))

    def _note(self, said: Mapping[str, Any]) -> None:
        if said["way"] == "session":
            if self._held is not None:
                self._held.ended = said["at"]
            self._held = self._ledger.hold(said["namespace"], said["at"])
        elif "ms" in said:
            self.samples_ms[self.phase][said["way"]].append(said["ms"])
            if said["way"] == "live" and self._held is not None:
                self._held.checked = said["at"]
        else:
            self._judge(said["way"], said["at"], said["failed"])

    def _judge(self, way: str, at: float, failed: str) -> None:
        round = Round(self._ledger, "probe", self._held if way == "live" else None)
        round.begun = at
        if round.struck() and any(word in failed for word in _CLEAR):
            self._ledger.excused["probe"] += 1
        else:
            self._ledger.breach("probe", f"{way}: {failed[:600]}")
