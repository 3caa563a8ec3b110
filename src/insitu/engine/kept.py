"""Executions that can be found again by their ids: those whose client has calls to answer."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from ..errors import NotFound
from ..types import MIB
from .execution import RunningExecution

# How long they are kept after their end, and how much of them.
_KEPT_S, _MOST_BYTES, _MOST = 300.0, 256 * MIB, 1000


@dataclass(slots=True)
class _Entry:
    owner: str
    running: RunningExecution
    ended: float | None = None
    size: int = 0


class KeptExecutions:
    """Executions by their ids."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def add(self, running: RunningExecution, owner: str) -> None:
        """Keep one."""
        self._entries[running.id] = _Entry(owner, running)

    def find(self, execution_id: str, owner: str) -> RunningExecution:
        """Find one.

        Raises:
            NotFound: if it was not kept, no longer is, or is someone else's.
        """
        entry = self._entries.get(execution_id)
        if entry is None or entry.owner != owner:
            raise NotFound(
                f"there is no execution {execution_id[:100]!r}",
                hint="executions with client_tools can be found again, until some minutes after their end",
            )
        return entry.running

    def sweep(self) -> None:
        """Let go of those that ended long ago, and of the oldest where they are too much of an owner's, or in all."""
        now = time.monotonic()
        for entry in self._entries.values():
            if entry.ended is None and entry.running.done:
                entry.ended, entry.size = now, entry.running.log.weight()
        ended = [entry for entry in self._entries.values() if entry.ended is not None]
        count, size = Counter[str](), Counter[str]()
        for entry in sorted(ended, key=lambda entry: entry.ended or now, reverse=True):
            if now - (entry.ended or now) > _KEPT_S or not _fits(entry, count, size):
                del self._entries[entry.running.id]


def _fits(entry: _Entry, count: Counter[str], size: Counter[str]) -> bool:
    """Whether there is room for one more; it is counted then. An owner has half of it at the most."""
    counts, sizes = count[entry.owner] + 1, size[entry.owner] + entry.size
    if counts > _MOST // 2 or sizes > _MOST_BYTES // 2:
        return False
    if count.total() >= _MOST or size.total() + entry.size > _MOST_BYTES:
        return False
    count[entry.owner], size[entry.owner] = counts, sizes
    return True
