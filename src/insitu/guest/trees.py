"""Which process of a sandbox descends from which, and how to kill a tree of them so that no fork escapes.

A process that is about to die of SIGKILL makes no child any more, and its children find another parent above it:
once a look shows nobody who has not been killed, nobody is left. A look tells nothing, though, if a process ended
while it lasted: who forks and exits over and over again is never found where it was seen. So the later looks are
taken at a standstill: one call stops all, a fork that is under way with its child, and they go on when all is killed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

_ROUNDS, _MOVING_ROUNDS = 100, 5
_STOPPED = "TtZX"


class Process(NamedTuple):
    """One line of the kernel's table; 0 stands for a parent outside of the sandbox."""

    parent: int
    state: str


def kill_tree(root: int) -> None:
    """Kill a process that orphans below it fall to, and all that descend from it."""
    _signal(root, signal.SIGSTOP)  # it forks no more, and takes in the orphans until the last of them is killed
    killed = {root}
    stands = False
    for processes, whole in _looks(killed):
        found = _tree(root, processes) - killed
        killed |= _kill(found)
        if whole and not found:
            if stands:
                break
            # Of a stop nothing tells that could also be given up: no descriptor does, and waitid() has no time-out.
            time.sleep(0.001)
        # Only the next look shows all its children: it may have stopped after a fork in the midst of this one.
        stands = root not in processes or processes[root].state in _STOPPED
    _signal(root, signal.SIGKILL)


def kill_others(roots: Iterable[int]) -> bool:
    """Kill every process but this one and the trees of ``roots``; False if they forked faster than they died."""
    killed: set[int] = set()
    spared = set(roots)
    for processes, whole in _looks(killed):
        trees = set().union(*(_tree(root, processes) for root in spared))
        found = set(processes) - trees - killed - {os.getpid()}
        if whole and not found:
            return True
        killed |= _kill(found)
    return False


def _kill(pids: set[int]) -> set[int]:
    for pid in pids:
        _signal(pid, signal.SIGKILL)
    return pids


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _tree(root: int, processes: dict[int, Process]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    tree: set[int] = set()
    front = [root]
    while front:
        pid = front.pop()
        tree.add(pid)
        front += children.get(pid, [])
    return tree


def _looks(killed: set[int]) -> Iterator[tuple[dict[int, Process], bool]]:
    for number in range(_ROUNDS):
        if number < _MOVING_ROUNDS or os.getpid() != 1:
            yield _look()
        else:
            with _standstill(killed):
                yield _look()


@contextmanager
def _standstill(killed: set[int]) -> Iterator[None]:
    """Stop every process of the sandbox but this one, its first; who stood before, or is killed, stays so."""
    standing = {pid for pid, process in _look()[0].items() if process.state in _STOPPED}
    _signal(-1, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in _look()[0].keys() - standing - killed - {os.getpid()}:
            _signal(pid, signal.SIGCONT)


def _look() -> tuple[dict[int, Process], bool]:
    """Return the processes that there are, and whether none has ended meanwhile."""
    found = {}
    whole = True
    # The newest first: whoever is about to go has the less time for it.
    for name in reversed(os.listdir("/proc")):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                whole = False
                continue
            found[int(name)] = Process(int(parent), state.decode())
    return found, whole
