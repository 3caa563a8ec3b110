"""The kinds of wall around sandboxes, behind one small interface."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidRequest
from .base import Environment, Tier
from .platforms import require_linux


def open_tier(name: str, environments: Sequence[Environment], *, total_memory_bytes: int, allow_degraded: bool) -> Tier:
    """The tier of that name, to be entered.

    Raises:
        InvalidRequest: if there is none.
        IsolationUnavailable: if it cannot be had on this operating system.
    """
    if name != "process":
        raise InvalidRequest(f"there is no tier {name!r}; there is: process")
    require_linux("a sandbox")
    from .process.tier import ProcessTier

    return ProcessTier(environments, total_memory_bytes=total_memory_bytes, allow_degraded=allow_degraded)
