"""How much memory the server takes; it runs in the test's own process, with the client."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from insitu.types import MIB

# A few copies of the largest answer that these attacks can have, in the server and in the client.
FLAT_BYTES = 96 * MIB


@contextmanager
def flat_memory(most: int = FLAT_BYTES) -> Iterator[None]:
    """At no moment of the block are so many bytes more in use than before it."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak
    before = _status("VmRSS")
    yield
    grown = _status("VmHWM") - before
    assert grown < most, f"{grown >> 20} MiB more"


def _status(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) << 10
