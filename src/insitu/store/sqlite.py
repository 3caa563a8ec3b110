"""All that is SQLite's own: its settings, its locks, its version of the schema, its way to insert or replace."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, Table, create_engine, event
from sqlalchemy.dialects.sqlite import Insert, insert

from ..errors import StoreFailed
from .tables import metadata

FILE = "insitu.db"
SCHEMA = 4
_BUSY_S = 10
_SETTINGS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")


def open_database(folder: Path) -> Engine:
    """Open the database of a folder; what is missing is made.

    Raises:
        StoreFailed: if a newer insitu has made it, or one of before the first release.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(folder / FILE)),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": _BUSY_S},
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        # SQLite does not wait for the lock that it needs to turn the write-ahead log on.
        with locked(folder):
            _make_file(folder / FILE)
            with writing(engine).begin() as connection:
                _make_tables(connection, folder)
    except BaseException:
        engine.dispose()
        raise
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, for transactions that write."""
    return engine.execution_options(insitu_writes=True)


def insert_new(table: Table, *key: str) -> Insert:
    """An insert that passes over what has the same key; Postgres reads it as well."""
    return insert(table).inline().on_conflict_do_nothing(index_elements=key)


def insert_or_replace(table: Table, *key: str) -> Insert:
    """An insert that replaces what has the same key; Postgres reads it as well."""
    statement = insert(table).inline()
    rest = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in key}
    for name in ("seq", "bytes"):
        rest.pop(name, None)
    return statement.on_conflict_do_update(index_elements=key, set_=rest)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other servers off a folder for as long as the block runs."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_file(path: Path) -> None:
    # One that is there is not opened: closing it would release the locks that another store of this process holds.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass


def _make_tables(connection: Connection, folder: Path) -> None:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version > SCHEMA:
        raise StoreFailed(
            f"the database in the folder {str(folder)!r} has schema {version}; this insitu knows {SCHEMA}",
            hint="update insitu, or name another folder by the setting data_dir",
        )
    if 0 < version < SCHEMA:
        raise StoreFailed(
            f"the database in the folder {str(folder)!r} has schema {version}, of before the first release",
            hint="move the folder away to begin with an empty one, or name another by the setting data_dir",
        )
    if version == 0:
        metadata.create_all(connection, checkfirst=False)
        _count_bytes(connection)
    # In any case: this is where a database that cannot be written is noticed.
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")


def _count_bytes(connection: Connection) -> None:
    row = "INSERT INTO stored VALUES (new.owner, new.bytes)"
    add = f"{row} ON CONFLICT (owner) DO UPDATE SET bytes = bytes + excluded.bytes"
    change = "UPDATE stored SET bytes = bytes + {} WHERE owner = old.owner"
    for table in metadata.sorted_tables:
        if "bytes" in table.c and table.name != "stored":
            for event, work in (
                ("INSERT", add),
                ("DELETE", change.format("-old.bytes")),
                ("UPDATE", change.format("new.bytes - old.bytes")),
            ):
                name = f"stored_{table.name}_{event.lower()}"
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {name} AFTER {event} ON {table.name} FOR EACH ROW BEGIN {work}; END"
                )


def _configure(connection: Any, _: object) -> None:
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Connection) -> None:
    # Who reads first and writes then is refused if another has written in between: the lock is taken at once.
    writes = connection.get_execution_options().get("insitu_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
