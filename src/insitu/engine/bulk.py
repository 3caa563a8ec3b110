"""How much JSON amounts to when it is parsed, told before it is: a few bytes can be a hundred then."""

from __future__ import annotations

import re

_MOST_CONTAINERS, _MOST_VALUES, _MOST_SURROGATES = 100_000, 500_000, 100_000
_FEW = 1000
_STRING = re.compile(rb'"[^"]*"?')


class Bulk:
    """Counts what payloads of JSON hold together; parsing them holds up everybody."""

    def __init__(self) -> None:
        self._containers = self._values = self._surrogates = 0

    def add(self, payload: bytes) -> bool:
        """Count one more payload; whether all of them together are too much."""
        containers, values = _structure(payload)
        if containers + values > _FEW and payload.count(b'"') < 2 * _MOST_VALUES:
            containers, values = _structure(_without_strings(payload))
        self._containers += containers
        self._values += values
        self._surrogates += _surrogates(payload)
        return self._containers > _MOST_CONTAINERS or self._values > _MOST_VALUES or self._surrogates > _MOST_SURROGATES


def _structure(payload: bytes) -> tuple[int, int]:
    return payload.count(b"[") + payload.count(b"{"), payload.count(b",")


def _surrogates(payload: bytes) -> int:
    # Half a character each, which takes long to be mended.
    count = payload.count(rb"\ud") + payload.count(rb"\uD")
    return _surrogates(payload.replace(rb"\\", b"")) if count > _FEW and rb"\\" in payload else count


def _without_strings(payload: bytes) -> bytes:
    return _STRING.sub(b"", payload.replace(rb"\\", b"").replace(rb"\"", b""))
