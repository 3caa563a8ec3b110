"""What owners keep on a server for a while, within one bound for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Owned(Protocol):
    """Something of an owner's."""

    @property
    def owner(self) -> str:
        """Whose it is."""


Kept = TypeVar("Kept", bound=Owned)


class Shares(Generic[Kept]):
    """What is kept, in the order in which it came; so many bytes each.

    Where all of it is too much, the first of whoever keeps the most goes: nobody pushes out what another keeps within
    an even share.
    """

    def __init__(self) -> None:
        self._sizes: dict[Kept, int] = {}
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[Kept]:
        return iter(list(self._sizes))

    def __contains__(self, kept: object) -> bool:
        return kept in self._sizes

    def add(self, kept: Kept, size: int) -> None:
        """Keep something more."""
        self._sizes[kept] = size
        self._of[kept.owner] += size

    def discard(self, kept: Kept) -> None:
        """Keep it no longer; nothing happens if it is not there."""
        self._of[kept.owner] -= self._sizes.pop(kept, 0)
        if not self._of[kept.owner]:
            del self._of[kept.owner]

    def surplus(self, most: int) -> Iterator[Kept]:
        """Let go of what is more than so many bytes, one after the other; the last one stays, however large."""
        while len(self._sizes) > 1 and self._of.total() > most:
            owner, _ = self._of.most_common(1)[0]
            first = next(kept for kept in self._sizes if kept.owner == owner)
            self.discard(first)
            yield first
