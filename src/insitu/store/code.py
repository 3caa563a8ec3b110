"""The code of functions: read from the disk piece by piece, so that who uses much of it holds little."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass

from .blobs import CHUNK, StoredBytes
from .failures import gone


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file of a revision.

    Args:
        start: where it begins in ``code``.
        size: in bytes.
    """

    path: str
    start: int
    size: int
    code: _Code

    async def chunks(self) -> AsyncIterator[bytes]:
        """What is in it; raises NotFound if its revision was deleted meanwhile."""
        at, end = self.start, self.start + self.size
        while at < end:
            piece = await self.code.piece(at, end)
            at += len(piece)
            yield piece

    async def content(self) -> bytes:
        """The same in one piece."""
        content = await self.code.stored.piece(self.start, self.size)
        if len(content) < self.size:
            raise gone()
        return content


class _Code:
    """All files of a revision, one behind the other: of many small ones, several are read at once."""

    def __init__(self, stored: StoredBytes) -> None:
        self.stored = stored
        self._start = 0
        self._read = b""

    async def piece(self, start: int, end: int) -> bytes:
        """Some bytes from ``start`` on, and none from ``end`` on."""
        if not self._start <= start < self._start + len(self._read):
            self._start, self._read = start, await self.stored.piece(start, CHUNK)
        if not (piece := self._read[start - self._start : end - self._start]):
            raise gone()  # it was cut short
        return piece


def code_files(stored: StoredBytes, sizes: Iterable[tuple[str, int]]) -> Iterator[CodeFile]:
    """The files of a revision.

    Args:
        sizes: their paths and sizes, in the order in which they are stored.
    """
    code, start = _Code(stored), 0
    for path, size in sizes:
        yield CodeFile(path, start, size, code)
        start += size
