"""Bytes in a folder, under random names: no user's word is ever part of a path."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from pathlib import Path

from anyio import to_thread

from .failures import gone

CHUNK = 256 * 1024
_PART = ".part"
_STALE_S = 3600
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class Upload:
    """A blob in the making. No descriptor stays open between two pieces."""

    def __init__(self, path: Path, blob: str) -> None:
        self.path = path
        self.blob = blob
        self.size = 0

    def append(self, data: bytes | bytearray) -> None:
        """Write one more piece."""
        with open(os.open(self.path, _APPEND), "wb") as file:
            file.write(data)

    def discard(self) -> None:
        """Delete what was written, unless it is published."""
        _unlink(self.path)


class StoredBytes:
    """The bytes of a blob."""

    def __init__(self, path: Path, size: int) -> None:
        self.size = size
        self._path = path

    async def piece(self, start: int, size: int) -> bytes:
        """So many bytes from ``start`` on, or what there is of them; raises NotFound if the blob was deleted."""
        return await to_thread.run_sync(self._piece, start, size)

    async def read(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to ``end``; a blob that is deleted meanwhile is read to its end.

        Raises:
            NotFound: if it was deleted before the first byte.
        """
        end = self.size if end is None else min(end, self.size)
        descriptor = await to_thread.run_sync(self._open)
        try:
            while start < end:
                data = await to_thread.run_sync(os.pread, descriptor, min(CHUNK, end - start), start)
                if not data:
                    return
                start += len(data)
                yield data
        finally:
            os.close(descriptor)

    def _piece(self, start: int, size: int) -> bytes:
        descriptor = self._open()
        try:
            return os.pread(descriptor, size, start)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, _READ)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                raise gone() from None
            raise


class Blobs:
    """The folder of all blobs; its methods are for threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    def new_name(self) -> str:
        """A name that no blob has."""
        return secrets.token_hex(16)

    def write(self, blob: str, *pieces: bytes) -> None:
        """Make a blob of a whole content; nobody knows its name yet."""
        path = self._path(blob)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(os.open(path, _NEW, 0o600), "wb", buffering=0) as file:
            for piece in pieces:
                file.write(piece)

    def begin(self) -> Upload:
        """Make room for a new blob."""
        blob = self.new_name()
        path = self._path(blob)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        upload = Upload(path.with_name(blob + _PART), blob)
        os.close(os.open(upload.path, _NEW, 0o600))
        return upload

    def publish(self, upload: Upload) -> None:
        """Give an upload its name for good."""
        # However long it took: only what nobody has touched for an hour counts as left behind.
        os.utime(upload.path)
        os.rename(upload.path, self._path(upload.blob))

    def open(self, blob: str, size: int) -> StoredBytes:
        """The bytes of a blob.

        Raises:
            NotFound: if it is not there, or was cut short by a machine that lost its power.
        """
        path = self._path(blob)
        try:
            status = path.lstat()
        except FileNotFoundError:
            raise gone() from None
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            raise gone()
        return StoredBytes(path, size)

    def delete(self, blobs: Iterable[str]) -> None:
        """Delete blobs."""
        for blob in blobs:
            _unlink(self._path(blob))

    def sweep(self, known: Callable[[Collection[str]], set[str]]) -> None:
        """Delete what a crash has left behind: old blobs that are not among the known ones, and old uploads."""
        for folder in filter(Path.is_dir, self._folder.iterdir()):
            if old := {path.name: path for path in _untouched(folder)}:
                for name in old.keys() - known(old.keys()):
                    _unlink(old[name])

    def _path(self, blob: str) -> Path:
        return self._folder / blob[:2] / blob


def _untouched(folder: Path) -> Iterator[Path]:
    before = time.time() - _STALE_S
    for entry in os.scandir(folder):
        try:
            if entry.stat(follow_symlinks=False).st_mtime < before:
                yield Path(entry.path)
        except FileNotFoundError:
            pass  # another server was quicker


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass  # what cannot be deleted now is swept another time
