"""The content of a message while it is made: block after block, whatever the order of what happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ...web.shapes import Json

# Told of each event of the stream.
Send = Callable[[Json], None]


class Block:
    """A block that is being made.

    Args:
        body: what it is when it is whole; its maker changes it.
        begun: what it is at its beginning.
        changed: told that there is more to tell of it.
    """

    def __init__(self, body: Json, begun: Json, changed: Callable[[], None]) -> None:
        self.body = body
        self.begun = begun
        self.index: int | None = None
        self.untold: list[Json] = []
        self.closed = False
        self._changed = changed

    def delta(self, delta: Json) -> None:
        """Add a piece."""
        self.untold.append(delta)
        self._changed()

    def close(self) -> None:
        """Say that it is whole; to say so again does nothing."""
        self.closed = True
        self._changed()


class Blocks:
    """The content of a message, and the events that tell of it.

    Only one block of a stream is open at a time, and calls go on side by side: what happens in another block is kept
    until those before it are whole.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._made: list[Block] = []
        self._waiting: deque[Block] = deque()

    @property
    def content(self) -> list[Json]:
        """All blocks so far."""
        return [block.body for block in self._made]

    def add(self, body: Json, begun: Json | None = None) -> Block:
        """Begin a block.

        Args:
            begun: what it is at its beginning, if not all that it is.
        """
        block = Block(body, dict(body if begun is None else begun), self._tell)
        self._made.append(block)
        self._waiting.append(block)
        self._tell()
        return block

    def whole(self, body: Json) -> None:
        """Add a block that is whole at once."""
        self.add(body).close()

    def close(self) -> None:
        """Close all that is open."""
        for block in list(self._waiting):
            block.close()

    def _tell(self) -> None:
        while self._waiting:
            block = self._waiting[0]
            self._begin(block)
            for delta in block.untold:
                self._send({"type": "content_block_delta", "index": block.index, "delta": delta})
            block.untold.clear()
            if not block.closed:
                return
            self._send({"type": "content_block_stop", "index": block.index})
            self._waiting.popleft()

    def _begin(self, block: Block) -> None:
        if block.index is None:
            block.index = len(self._made) - len(self._waiting)
            self._send({"type": "content_block_start", "index": block.index, "content_block": block.begun})
