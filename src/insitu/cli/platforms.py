"""What needs Linux, and what to do elsewhere."""

from __future__ import annotations

import sys

from insitu.errors import IsolationUnavailable
from insitu.isolation.doctor import NO_LINUX, USE_A_SERVER


def require_linux(what: str) -> None:
    """Refuse on any other system, before anything is imported that is not there.

    Raises:
        IsolationUnavailable: if this is not Linux.
    """
    if sys.platform != "linux":
        raise IsolationUnavailable(
            "Linux", f"{what} needs Linux, and this is {sys.platform}: {NO_LINUX}", hint=USE_A_SERVER
        )
