"""One database and one folder of blobs, reached by short transactions in one thread at a time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection, CursorResult, Engine, Executable

from ..errors import EngineClosed
from .blobs import Blobs, Upload
from .failures import told
from .sqlite import open_database, writing

P = ParamSpec("P")
T = TypeVar("T")
N = TypeVar("N", bound="Records")


class Transaction:
    """SQL, and the blobs that come and go with it."""

    def __init__(self, connection: Connection, blobs: Blobs) -> None:
        self._connection = connection
        self._blobs = blobs
        self.published: list[str] = []
        self.discarded: list[str] = []

    def execute(
        self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """Run one statement, once for each of ``rows`` if there are any."""
        return self._connection.execute(statement, rows)

    def publish(self, upload: Upload) -> None:
        """Give a finished upload its name for good; the end of the transaction undoes it if that fails."""
        self.published.append(upload.blob)
        self._blobs.publish(upload)

    def write(self, *pieces: bytes) -> str:
        """Make a blob of what is in memory; the end of the transaction undoes it if that fails."""
        blob = self._blobs.new_name()
        self.published.append(blob)
        self._blobs.write(blob, *pieces)
        return blob

    def discard(self, blobs: Iterable[str | None]) -> None:
        """Delete blobs once the transaction holds."""
        self.discarded += filter(None, blobs)


class Database:
    """Runs transactions; a cancelled caller never leaves half of one."""

    def __init__(self, engine: Engine, blobs: Blobs, folder: Path) -> None:
        self.blobs = blobs
        self._engine = engine
        self._writing = writing(engine)
        self._folder = folder
        self._limiter = CapacityLimiter(1)
        self._closed = False

    @classmethod
    async def open(cls, folder: Path) -> Database:
        """Open the database of a folder; both are made if they are not there."""

        def work() -> Database:
            with told(folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                blobs = Blobs(folder / "blobs")
                return cls(open_database(folder), blobs, folder)

        return await to_thread.run_sync(work)

    async def run(self, work: Callable[[Transaction], T], *, writes: bool) -> T:
        """Run ``work`` in a transaction, in a thread.

        Raises:
            StoreFailed: if the database or the file system refuses; nothing is changed then.
            EngineClosed: after the end of the store.
        """
        return await to_thread.run_sync(self._transact, work, writes, limiter=self._limiter)

    async def beside(self, work: Callable[..., T], *args: Any) -> T:
        """Run work on files in a thread, beside the transactions.

        Raises:
            StoreFailed: if the file system refuses.
        """

        def run() -> T:
            with told(self._folder):
                return work(*args)

        return await to_thread.run_sync(run)

    async def close(self) -> None:
        """Close the database; what comes later is refused."""
        await to_thread.run_sync(self._close, limiter=self._limiter)

    def _close(self) -> None:
        self._closed = True
        self._engine.dispose()

    def _transact(self, work: Callable[[Transaction], T], writes: bool) -> T:
        if self._closed:
            raise EngineClosed("the store is closed")
        published: list[str] = []
        try:
            with told(self._folder), (self._writing if writes else self._engine).begin() as connection:
                transaction = Transaction(connection, self.blobs)
                published = transaction.published
                result = work(transaction)
        except BaseException:
            self.blobs.delete(published)
            raise
        self.blobs.delete(transaction.discarded)
        return result


class Records:
    """The records of one kind."""

    def __init__(self, database: Database) -> None:
        self._database = database


def reads(work: Callable[Concatenate[N, Transaction, P], T]) -> Callable[Concatenate[N, P], Coroutine[Any, Any, T]]:
    """Make a method that runs in a transaction of its own, which only reads."""
    return _in_transaction(work, writes=False)


def writes(work: Callable[Concatenate[N, Transaction, P], T]) -> Callable[Concatenate[N, P], Coroutine[Any, Any, T]]:
    """Make a method that runs in a transaction of its own, all of which is done or nothing."""
    return _in_transaction(work, writes=True)


def _in_transaction(
    work: Callable[Concatenate[N, Transaction, P], T], *, writes: bool
) -> Callable[Concatenate[N, P], Coroutine[Any, Any, T]]:
    @wraps(work)
    async def run(self: N, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.run(lambda transaction: work(self, transaction, *args, **kwargs), writes=writes)

    return run
