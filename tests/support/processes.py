"""The processes of this machine, as its kernel tells them."""

from __future__ import annotations

import os
import select
from collections.abc import Iterable, Iterator

Names = dict[int, str]


def descendants(of: int) -> Names:
    """Every process below one, by number: what it is called."""
    parents = dict(_parents())
    below: Names = {}
    for pid, (_, name) in parents.items():
        ancestor = pid
        while ancestor in parents and ancestor != of:
            ancestor = parents[ancestor][0]
        if ancestor == of and pid != of:
            below[pid] = name
    return below


def _parents() -> Iterator[tuple[int, tuple[int, str]]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    head, _, rest = file.read().rpartition(")")
            except (FileNotFoundError, ProcessLookupError):
                continue
            yield int(entry), (int(rest.split()[1]), head.partition("(")[2])


def children(of: int, name: str) -> list[int]:
    """The numbers of the children of a process that have a name."""
    return sorted(pid for pid, (parent, its) in _parents() if parent == of and its == name)


def named(name: str, of: int | None = None) -> list[int]:
    """The numbers of the processes below one, by default this one, that have a name; the oldest first."""
    return sorted(pid for pid, its in descendants(of or os.getpid()).items() if its == name)


def find(inside: int, namespace: str) -> int:
    """The host's number of a process that has the number ``inside`` in a pid namespace."""
    for pid in descendants(os.getpid()):
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
                numbers = next(line for line in file if line.startswith("NSpid:")).split()[1:]
            if int(numbers[-1]) == inside and os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                return pid
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            continue
    raise LookupError(f"no process {inside} in {namespace}")


def await_ends(pids: Iterable[int], timeout_s: float = 20) -> None:
    """Return once every one of these processes has ended.

    Raises:
        TimeoutError: if one has not in time.
    """
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if not poll.poll(timeout_s * 1000):
                raise TimeoutError(f"the process {pid} still lives")
        finally:
            os.close(fd)
