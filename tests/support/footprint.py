"""What this process and all that it has started hold of the machine, so that a test can say that nothing is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import anyio

from tests.support.processes import descendants

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Footprint:
    """Each of it by name, so that what is left can be told.

    Args:
        processes: below this one.
        cgroups: of any engine of this process.
        mounts: of this process's mount namespace.
        namespaces: that processes below this one are in.
        descriptors: of this process and, where the kernel lets it look, of those below.
    """

    processes: frozenset[str]
    cgroups: frozenset[str]
    mounts: frozenset[str]
    namespaces: frozenset[str]
    descriptors: frozenset[str]

    @classmethod
    def take(cls) -> Footprint:
        """What there is now."""
        below = descendants(os.getpid())
        return cls(
            frozenset(f"{pid} {name}" for pid, name in below.items()),
            frozenset(_cgroups()),
            frozenset(Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()),
            frozenset(link for pid in below for link in _links(f"/proc/{pid}/ns")),
            frozenset(
                f"{pid} {link}" for pid in (os.getpid(), *below) for link in _links(f"/proc/{pid}/fd", named=True)
            ),
        )

    def left(self, after: Footprint) -> dict[str, list[str]]:
        """What there is afterwards that was not there before."""
        names = [field.name for field in fields(self)]
        new = {name: sorted(getattr(after, name) - getattr(self, name)) for name in names}
        return {name: things for name, things in new.items() if things}

    async def assert_nothing_left(self, timeout_s: float = 10) -> None:
        """Wait until nothing is left: the kernel lets go of what is dead a moment later.

        Raises:
            AssertionError: with the names of what is still there.
        """
        deadline = anyio.current_time() + timeout_s
        while left := self.left(Footprint.take()):
            assert anyio.current_time() < deadline, left
            await anyio.sleep(0.02)


def _cgroups() -> Iterator[str]:
    # Reading it whole would be slow where a machine has many: ours are right below the group of this process.
    for folder, names, _ in os.walk(_CGROUPS):
        ours = [name for name in names if name.startswith(f"insitu-{os.getpid()}-")]
        for name in ours:
            yield from (path for path, _, _ in os.walk(os.path.join(folder, name)))
        names[:] = [name for name in names if not name.startswith("insitu-")]


def _links(folder: str, *, named: bool = False) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            link = os.readlink(f"{folder}/{name}")
        except OSError:
            continue  # gone meanwhile
        yield f"{name} {link}" if named else link
