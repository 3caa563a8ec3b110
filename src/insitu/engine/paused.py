"""Executions that are paused, since they wait for their clients: how many there may be, and what is kept of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ..settings import Settings


class Paused:
    """Counts those that are paused, and what is kept of them in bytes, for each owner and in all.

    Args:
        tell: called when there is one more, and so one less among those that run or wait.
    """

    def __init__(self, settings: Settings, tell: Callable[[], None]) -> None:
        self.count = self._kept = 0
        self.count_of: Counter[str] = Counter()
        self._kept_of: Counter[str] = Counter()
        self._settings, self._tell = settings, tell

    def refusal(self, owner: str, kept: int, before: int | None) -> str | None:
        """Why there is no room for one more; None if there is.

        Args:
            kept: how many bytes are kept of it.
            before: how many were, if it is counted already.
        """
        one, growth, settings = before is None, kept - (before or 0), self._settings
        if self.count_of[owner] + one > settings.max_paused_per_owner:
            return _too_many("of yours ", "max_paused_per_owner", settings.max_paused_per_owner)
        if self.count + one > settings.max_paused:
            return _too_many("", "max_paused", settings.max_paused)
        if self._kept_of[owner] + growth > settings.max_paused_bytes_per_owner:
            return _too_much("of yours ", kept, "max_paused_bytes_per_owner", settings.max_paused_bytes_per_owner)
        if self._kept + growth > settings.max_paused_bytes:
            return _too_much("", kept, "max_paused_bytes", settings.max_paused_bytes)
        return None

    def add(self, owner: str, kept: int) -> None:
        """Count one more."""
        self.count += 1
        self._kept += kept
        self.count_of[owner] += 1
        self._kept_of[owner] += kept
        self._tell()

    def remove(self, owner: str, kept: int) -> None:
        """Count one less."""
        self.count -= 1
        self._kept -= kept
        self.count_of[owner] -= 1
        self._kept_of[owner] -= kept
        if not self.count_of[owner]:
            del self.count_of[owner], self._kept_of[owner]


def _too_many(whose: str, setting: str, most: int) -> str:
    return (
        f"{most} executions {whose}wait for their clients' answers already, the most that may ({setting}): "
        "answer some of those, or call this tool later"
    )


def _too_much(whose: str, kept: int, setting: str, most: int) -> str:
    return (
        f"of this execution {kept} bytes would be kept until its client answers, and of all {whose}that wait {most} "
        f"may be ({setting}): answer some of those, or write and pass less"
    )
