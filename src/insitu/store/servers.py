"""The servers that share a folder: each holds a lock as long as it lives, and the kernel lets go of it in any case."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from .sqlite import locked


class Servers:
    """The servers of a folder, seen by one of them.

    Args:
        folder: where each has its lock.
        id: this server's own; what a server alone can have, such as a sandbox, is written down with it.
    """

    def __init__(self, folder: Path, id: str, lock: int) -> None:
        self.id = id
        self._folder = folder
        self._lock = lock

    @classmethod
    def join(cls, folder: Path) -> Servers:
        """Become one of them; what the dead have left behind is deleted."""
        folder.mkdir(mode=0o700, exist_ok=True)
        id = secrets.token_hex(8)
        # Nobody sees a lock that is not held yet, and takes its server for dead.
        with locked(folder):
            for path in folder.glob("*.lock"):
                if not _is_held(path):
                    path.unlink()
            lock = os.open(_path(folder, id), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return cls(folder, id, lock)

    def alive(self, id: str) -> bool:
        """Whether a server lives; a process that was killed does not."""
        return id == self.id or _is_held(_path(self._folder, id))

    @property
    def others(self) -> int:
        """How many live beside this one."""
        with locked(self._folder):
            return sum(_is_held(path) for path in self._folder.glob("*.lock") if path.stem != self.id)

    def leave(self) -> None:
        """Be none of them any more."""
        with suppress(OSError):  # a lock that nobody holds says the same
            _path(self._folder, self.id).unlink()
        os.close(self._lock)


def _path(folder: Path, id: str) -> Path:
    return folder / f"{id}.lock"


def _is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
