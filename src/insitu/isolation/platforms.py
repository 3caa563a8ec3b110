"""Which systems sandboxes can be made on, and what to do on the others."""

from __future__ import annotations

import sys

from ..errors import IsolationUnavailable

NO_LINUX = "sandboxes are made from the Linux kernel's own walls"
USE_A_SERVER = (
    "run `insitu serve` on Linux (a server, a virtual machine, WSL 2), "
    "and name it here: insitu.Client(url=…), --url or INSITU_URL"
)


def require_linux(what: str) -> None:
    """Refuse on any other system, before anything is imported that is not there.

    Raises:
        IsolationUnavailable: if this is not Linux.
    """
    if sys.platform != "linux":
        raise IsolationUnavailable(
            "Linux", f"{what} needs Linux, and this is {sys.platform}: {NO_LINUX}", hint=USE_A_SERVER
        )
