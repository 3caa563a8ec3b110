from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from insitu.errors import NotFound, StoreFailed
from insitu.store.database import Database, Transaction
from insitu.store.failures import told
from tests.store.examples import blobs


def overfill(path: Path) -> None:
    """Write more than a database may hold."""
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA max_page_count = 1")
        database.execute("CREATE TABLE t (a)")
    finally:
        database.close()


def contend(path: Path) -> None:
    """Take a lock that is taken."""
    databases = [sqlite3.connect(path, isolation_level=None, timeout=0) for _ in range(2)]
    try:
        for database in databases:
            database.execute("BEGIN IMMEDIATE")
    finally:
        for database in databases:
            database.close()


def fill_the_disk(path: Path) -> None:
    """Write to a device that is always full."""
    with Path("/dev/full").open("wb", buffering=0) as device:
        device.write(b"x")


@pytest.mark.parametrize(
    ("work", "said", "hint"),
    [
        (overfill, "database or disk is full", "make room on its disk, or name another folder by the setting data_dir"),
        (fill_the_disk, os.strerror(errno.ENOSPC), "make room on its disk, or name"),
        (contend, "database is locked", "see which other process holds it, or name"),
        (Path.mkdir, "File exists", "see that it is a folder which can be read and written, or name"),
    ],
)
def test_what_fails_below_is_told_with_what_to_do(tmp_path: Path, work: object, said: str, hint: str) -> None:
    assert callable(work)
    with pytest.raises(StoreFailed, match=said) as failed, told(tmp_path):
        work(tmp_path if work is Path.mkdir else tmp_path / "x.db")
    assert failed.value.message.startswith(f"the store in the folder {str(tmp_path)!r} failed: ")
    assert str(failed.value.hint).startswith(hint)


async def test_the_blobs_of_a_transaction_that_fails_are_as_before(folder: Path) -> None:
    database = await Database.open(folder)
    kept, new = [await database.beside(database.blobs.begin) for _ in range(2)]
    await database.run(lambda transaction: transaction.publish(kept), writes=True)

    def fail(transaction: Transaction) -> None:
        transaction.publish(new)
        transaction.discard([kept.blob])
        raise NotFound("no")

    with pytest.raises(NotFound):
        await database.run(fail, writes=True)
    assert [path.name for path in blobs(folder)] == [kept.blob]
    await database.close()
