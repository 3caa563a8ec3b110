"""Whose turn it is among the invocations that wait to run in the background."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import count

from ..types import Invocation

_numbers = count()


@dataclass(frozen=True, slots=True)
class Waiting:
    """An invocation that waits.

    Args:
        revision: the id of what is to be called.
        most: how many invocations of its function may run at once.
        number: which of two was accepted first.
    """

    owner: str
    invocation: Invocation
    revision: str
    most: int
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def key(self) -> tuple[str, str]:
        """Whose function it is for, and which."""
        return self.owner, self.invocation.function


class Queue:
    """All that waits, and how much of it runs.

    An owner's come in the order of their acceptance, as far as their functions have room. Owners take turns, and each
    may have half of the places that the others leave: there is one for whoever comes next.

    Args:
        places: how many may run at once.
        places_of_one: and of one owner.
    """

    def __init__(self, places: int, places_of_one: int) -> None:
        self._places, self._places_of_one = places, places_of_one
        # By owner, whose turn is next the first, and revision.
        self._lines: dict[str, dict[str, deque[Waiting]]] = {}
        self._running: Counter[str] = Counter()
        self._taken = 0

    def add(self, waiting: Waiting) -> None:
        """Have one wait."""
        self._line(waiting).append(waiting)

    def put_back(self, waiting: Waiting) -> None:
        """Have one wait that could not run after all, before all that came after it."""
        self._line(waiting).appendleft(waiting)

    def take(self, may: Callable[[str], bool], enter: Callable[[Waiting], bool]) -> Waiting | None:
        """The next that runs, if one can; ``leave`` says that it has ended.

        Args:
            may: whether an owner's may run now.
            enter: takes a place of a function, if it has one.
        """
        if self._taken >= self._places:
            return None
        for owner in list(self._lines):
            if self._has_place(owner) and may(owner):
                waiting = next(filter(enter, self._heads(owner)), None)
                if waiting is not None:
                    self._pass_on(waiting)
                    return waiting
        return None

    def leave(self, owner: str) -> None:
        """Give the place of one back that runs no more."""
        self._taken -= 1
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]

    def drop(self, revisions: Collection[str]) -> list[Waiting]:
        """Take out all that waits for some revisions."""
        gone = set(revisions)
        found = [(owner, revision) for owner, line in self._lines.items() for revision in line.keys() & gone]
        dropped = [each for owner, revision in found for each in self._lines[owner][revision]]
        for owner, revision in found:
            self._lines[owner][revision].clear()
            self._forget_empty(owner, revision)
        return dropped

    def _line(self, waiting: Waiting) -> deque[Waiting]:
        return self._lines.setdefault(waiting.owner, {}).setdefault(waiting.revision, deque())

    def _has_place(self, owner: str) -> bool:
        left = self._places - self._taken + self._running[owner]
        return self._running[owner] < min((left + 1) // 2, self._places_of_one)

    def _heads(self, owner: str) -> Iterator[Waiting]:
        return iter(sorted((queue[0] for queue in self._lines[owner].values()), key=lambda each: each.number))

    def _pass_on(self, waiting: Waiting) -> None:
        self._taken += 1
        self._running[waiting.owner] += 1
        line = self._lines.pop(waiting.owner)
        self._lines[waiting.owner] = line
        line[waiting.revision].popleft()
        self._forget_empty(waiting.owner, waiting.revision)

    def _forget_empty(self, owner: str, revision: str) -> None:
        line = self._lines[owner]
        if not line[revision]:
            del line[revision]
        if not line:
            del self._lines[owner]
