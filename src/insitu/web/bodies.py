"""Room for the bodies of all requests together, which the server holds in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from anyio import CancelScope

from ..errors import QuotaExceeded, ServerFull

HELD_BYTES = 512 << 20
# One owner's share: who sends slowly keeps it for long, and others must get in all the same.
OWNER_BYTES = 384 << 20
# Bodies up to this size count for nothing: they get in however full it is.
SMALL_BYTES = 64 * 1024
_HINT = "try again in a while; large files go to PUT /v1/sessions/{id}/files/{path}"


class Bodies:
    """Counts the bytes that requests under way hold: what they have brought, and what they go on from."""

    def __init__(self) -> None:
        self.most = HELD_BYTES
        self.held = 0
        self.cut_off = False
        self._held_by: Counter[str] = Counter()
        self._waiting: set[CancelScope] = set()

    def take(self, size: int, owner: str) -> None:
        """Count more bytes of an owner's.

        Raises:
            ServerFull: if there is no room for them.
            QuotaExceeded: if they are more than the owner's share.
        """
        share = min(OWNER_BYTES, self.most)
        if self.held + size > self.most:
            raise ServerFull(f"the requests under way hold {self.held} bytes, and {self.most} is the most", hint=_HINT)
        if self._held_by[owner] + size > share:
            held = self._held_by[owner]
            raise QuotaExceeded(f"your requests under way hold {held} bytes, and {share} is the most", hint=_HINT)
        self.held += size
        self._held_by[owner] += size

    def give_back(self, size: int, owner: str) -> None:
        """Count so many bytes less."""
        self.held -= size
        self._held_by[owner] -= size
        if not self._held_by[owner]:
            del self._held_by[owner]

    @contextmanager
    def waiting(self, deadline: float) -> Iterator[CancelScope]:
        """Wait for more of a body; given up at the deadline, and when all are cut off."""
        with CancelScope(deadline=deadline) as scope:
            self._waiting.add(scope)
            try:
                yield scope
            finally:
                self._waiting.discard(scope)

    def cut(self) -> None:
        """Give up what has not come yet: the server stops."""
        self.cut_off = True
        for scope in self._waiting:
            scope.cancel()


class Body:
    """What one request holds so far; its room is free again once it is answered, and what it began has ended."""

    def __init__(self, bodies: Bodies, owner: str = "") -> None:
        self.owner = owner
        self.bodies = bodies
        self.size = 0
        self._held = 0

    def grow(self, size: int) -> None:
        """Hold ``size`` bytes in all.

        Raises:
            ServerFull: if all bodies together have no room for that.
            QuotaExceeded: if it is more than the owner's share of it.
        """
        if size > SMALL_BYTES:
            self.bodies.take(size - self._held, self.owner)
            self._held = size
        self.size = size

    def add(self, size: int) -> None:
        """Hold so many bytes more; raises as :meth:`grow`."""
        self.grow(self.size + size)

    def give_back(self, size: int) -> None:
        """Hold so many bytes less."""
        self.size -= size
        held = self.size if self.size > SMALL_BYTES else 0
        self.bodies.give_back(self._held - held, self.owner)
        self._held = held

    def hand_over(self) -> Body:
        """The same for what goes on when the request is answered: who takes it lets it go."""
        other = Body(self.bodies, self.owner)
        other.size, other._held = self.size, self._held
        self.size = self._held = 0
        return other

    def let_go(self) -> None:
        """Give the room back."""
        self.bodies.give_back(self._held, self.owner)
        self.size = self._held = 0
