"""What is not there, and what fails below, in the words of insitu."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, IntegrityError

from ..errors import InvalidRequest, NotFound, StoreFailed

_DAMAGED = "put a copy of the folder in its place, or move it away to begin with an empty one"
_FULL = "make room on its disk"
_HINTS = {
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "SQLITE_FULL": _FULL,
    "ENOSPC": _FULL,
    "EDQUOT": _FULL,
    "SQLITE_BUSY": "see which other process holds it",
}
_OTHERWISE = "see that it is a folder which can be read and written"


def missing(kind: str, id: str) -> NotFound:
    """The one answer for what is not there, and for what is someone else's."""
    return NotFound(f"there is no {kind} {id!r}", hint="it is not of this key, was deleted, or its time is over")


def gone() -> NotFound:
    """The answer where a record is there and its content is not."""
    return NotFound("the content of this file is gone")


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """Tell of what fails below.

    Raises:
        StoreFailed: if the database or the file system refuses.
        InvalidRequest: if a string of the caller is not Unicode.
    """
    try:
        yield
    except IntegrityError:
        raise  # a defect of the code that calls, not of the folder
    except (DBAPIError, sqlite3.Error, OSError) as error:
        cause = (error.orig if isinstance(error, DBAPIError) else error) or error
        raise StoreFailed(
            f"the store in the folder {str(folder)!r} failed: {cause}",
            hint=f"{_hint(cause)}, or name another folder by the setting data_dir",
        ) from error
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{error.object[:100]!a} is not valid Unicode") from error


def _hint(cause: BaseException) -> str:
    name = errno.errorcode.get(cause.errno or 0) if isinstance(cause, OSError) else _sqlite_name(cause)
    return next((hint for known, hint in _HINTS.items() if (name or "").startswith(known)), _OTHERWISE)


def _sqlite_name(cause: BaseException) -> str | None:
    return getattr(cause, "sqlite_errorname", None)
