"""What each owner may store: content and records together, whatever kind they are of."""

from __future__ import annotations

from sqlalchemy import Select, select

from ..errors import QuotaExceeded
from .database import Database, Records, Transaction, reads
from .tables import stored


class Quota(Records):
    """The bound on the bytes of each owner, which the database counts by itself."""

    def __init__(self, database: Database, bytes_per_owner: int) -> None:
        super().__init__(database)
        self.bytes_per_owner = bytes_per_owner

    @reads
    def admit(self, transaction: Transaction, owner: str, size: int) -> None:
        """Make sure that the owner may store so many bytes more.

        Raises:
            QuotaExceeded: if not.
        """
        self.charge(transaction, owner, size)

    @reads
    def left(self, transaction: Transaction, owner: str) -> int:
        """How many bytes more the owner may store."""
        return self.room(transaction, owner)

    def charge(self, transaction: Transaction, owner: str, size: int = 0) -> None:
        """The same as :meth:`admit`, within a transaction; without a size, what it has stored must have had room."""
        self.refuse_over(size, self.room(transaction, owner))

    def room(self, transaction: Transaction, owner: str) -> int:
        """The same as :meth:`left`, within a transaction."""
        return self.bytes_per_owner - (transaction.execute(_bytes_of(owner)).scalar() or 0)

    def refuse_over(self, size: int, room: int) -> None:
        """Raise QuotaExceeded if so many bytes have no room."""
        if size > room:
            raise QuotaExceeded(
                f"what is stored for this key would have {size + self.bytes_per_owner - room} bytes; "
                f"{self.bytes_per_owner} are allowed",
                hint="delete files, responses or conversations, or have the operator raise data_bytes_per_owner",
            )


def _bytes_of(owner: str) -> Select[tuple[int]]:
    return select(stored.c.bytes).where(stored.c.owner == owner)
