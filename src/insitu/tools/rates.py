"""How often one key may call a tool."""

from __future__ import annotations

import re
from dataclasses import dataclass

import anyio

from ..errors import InvalidRequest

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_FORM = re.compile(r"([1-9][0-9]{0,8})/([smh])")
_FEW_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in so many seconds, all at once or spread out."""

    calls: int
    seconds: float

    @classmethod
    def read(cls, text: str) -> Rate:
        """A rate such as ``10/s``, ``100/m`` or ``1000/h``.

        Raises:
            InvalidRequest: if it is none.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise InvalidRequest(f"{text[:40]!r} is no rate", hint="write calls and a unit: 10/s, 100/m, 1000/h")
        return cls(int(found[1]), _SECONDS[found[2]])


class Gauge:
    """Counts the calls of each key: a bucket that fills up again with time."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}
        self._forget_at = _FEW_KEYS

    def take(self, key: str) -> float:
        """Count a call of this key; returns 0, or the seconds after which it may be made."""
        now = anyio.current_time()
        left = self._left(key, now)
        if left < 1:
            return (1 - left) * self._rate.seconds / self._rate.calls
        if len(self._buckets) >= self._forget_at:
            self._forget(now)
        self._buckets[key] = left - 1, now
        return 0.0

    def _left(self, key: str, now: float) -> float:
        left, then = self._buckets.get(key, (float(self._rate.calls), now))
        return min(self._rate.calls, left + (now - then) * self._rate.calls / self._rate.seconds)

    def _forget(self, now: float) -> None:
        # A full bucket says nothing.
        full = [key for key in self._buckets if self._left(key, now) >= self._rate.calls]
        for key in full:
            del self._buckets[key]
        # Those that are left are not looked through again for each call.
        self._forget_at = max(_FEW_KEYS, 2 * len(self._buckets))
