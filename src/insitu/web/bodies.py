"""Room for the bodies of all requests together, which the server holds in memory."""

from __future__ import annotations

from ..errors import ServerFull

HELD_BYTES = 512 << 20
# Bodies up to this size count for nothing: they get in however full it is.
SMALL_BYTES = 64 * 1024


class Bodies:
    """Counts the bytes that requests under way hold: what they have brought, and what they go on from."""

    def __init__(self) -> None:
        self.most = HELD_BYTES
        self.held = 0


class Body:
    """What one request holds so far; its room is free again once it is answered, and what it began has ended."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.size = 0
        self._held = 0

    def grow(self, size: int) -> None:
        """Hold ``size`` bytes in all.

        Raises:
            ServerFull: if all bodies together have no room for that.
        """
        more = size - self._held
        if size <= SMALL_BYTES:
            self.size = size
            return
        if self._bodies.held + more > self._bodies.most:
            raise ServerFull(
                f"the requests under way hold {self._bodies.held} bytes, and {self._bodies.most} is the most",
                hint="try again in a while; large files go to PUT /v1/sessions/{id}/files/{path}",
            )
        self._bodies.held += more
        self.size = self._held = size

    def add(self, size: int) -> None:
        """Hold so many bytes more; raises ServerFull."""
        self.grow(self.size + size)

    def give_back(self, size: int) -> None:
        """Hold so many bytes less."""
        self.size -= size
        held = self.size if self.size > SMALL_BYTES else 0
        self._bodies.held -= self._held - held
        self._held = held

    def hand_over(self) -> Body:
        """The same for what goes on when the request is answered: who takes it lets it go."""
        other = Body(self._bodies)
        other.size, other._held = self.size, self._held
        self.size = self._held = 0
        return other

    def let_go(self) -> None:
        """Give the room back."""
        self._bodies.held -= self._held
        self.size = self._held = 0
