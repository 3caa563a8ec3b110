"""Deployment packages: zip files, which anybody may have made."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Self

from ...engine import NewFile
from ...heavy import decoded
from ...types import MIB
from .errors import AwsError, invalid

ZIPPED_BYTES = 50 * MIB
UNZIPPED_BYTES = 250 * MIB
# With the two that are put beside them, as many as a function may have.
MOST_FILES = 998
_LONGEST_PATH = 1000

_ENTRY = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What zipfile raises for damage of every kind, as a fuzzer finds it.
_DAMAGE = (zipfile.BadZipFile, struct.error, zlib.error, EOFError, NotImplementedError, OSError, ValueError)


class Zip:
    """A zip that was uploaded; what it will hold is known before it is unpacked.

    Raises:
        AwsError: if it is none, or is too large.
    """

    def __init__(self, content: bytes) -> None:
        if len(content) > ZIPPED_BYTES:
            raise _too_large(f"the zip has {len(content)} bytes", ZIPPED_BYTES)
        # Counted before it is parsed: each entry takes far more memory there than its 46 bytes here.
        if content.count(_ENTRY) > MOST_FILES:
            raise invalid(f"the zip has more than {MOST_FILES} entries")
        self.content = content
        with _refusing_damage():
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        self.unzipped = sum(entry.file_size for entry in self._archive.infolist())
        if self.unzipped > UNZIPPED_BYTES:
            raise _too_large(f"its files have {self.unzipped} bytes", UNZIPPED_BYTES)

    @classmethod
    def of_base64(cls, text: str) -> Self:
        """The zip that is base64 in a request."""
        try:
            content = decoded(text)
        except ValueError as exc:
            raise invalid(f"ZipFile is not base64: {exc}") from None
        return cls(content)

    def files(self) -> dict[str, bytes]:
        """The files in it, by their paths.

        Raises:
            AwsError: if it is damaged, or has entries that are no files in one folder.
        """
        with _refusing_damage():
            return _files(self._archive)


async def zipped(files: Iterable[NewFile]) -> AsyncGenerator[bytes]:
    """Files as a zip, piece by piece while they are read; the same bytes for the same files."""
    pieces = _Pieces()
    # In the form that every reader knows, but not smaller: that would be much work for whoever asks again and again.
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_DEFLATED, compresslevel=0) as archive:
        for file in files:
            with archive.open(file.path, "w") as entry:
                async for chunk in file.chunks():
                    entry.write(chunk)
                    yield pieces.take()
            archive.getinfo(file.path).external_attr = (stat.S_IFREG | 0o644) << 16
    yield pieces.take()


class _Pieces:
    """A file that only goes forward: what is written is fetched at once."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        """Take a piece."""
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing to close."""

    def take(self) -> bytes:
        """What has come since the last time."""
        written, self._written = bytes(self._written), bytearray()
        return written


@contextmanager
def _refusing_damage() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as exc:
        raise _unreadable(str(exc)) from None


def _files(archive: zipfile.ZipFile) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for entry in archive.infolist():
        path = _path(entry)
        _check_kind(entry)
        if entry.is_dir():
            continue
        if path in files:
            raise invalid(f"the zip has {path!r} twice")
        files[path] = _content(archive, entry)
    if not files:
        raise invalid("Uploaded file must be a non-empty zip.")
    return files


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as opened:
        # Without a size up to 1 GiB would be unpacked before what is over the declared size is dropped.
        return opened.read(entry.file_size)


def _check_kind(entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "no file"
        raise invalid(f"the zip's {_shown(entry)} is {what}; only files and folders can be deployed")
    if entry.flag_bits & _ENCRYPTED:
        raise invalid(f"the zip's {_shown(entry)} is encrypted")
    if entry.compress_type not in _METHODS:
        raise invalid(f"the zip's {_shown(entry)} is compressed by method {entry.compress_type}; use deflate")


def _path(entry: zipfile.ZipInfo) -> str:
    name = entry.orig_filename
    path = PurePosixPath(name)
    control = any(ord(character) < 32 or character in "\\\x7f" for character in name)
    outside = path.is_absolute() or ".." in path.parts or (not path.parts and not entry.is_dir())
    if control or outside or len(name) > _LONGEST_PATH:
        raise invalid(f"the zip has an entry {_shown(entry)}, which is no path in a folder")
    return str(path)


def _shown(entry: zipfile.ZipInfo) -> str:
    return repr(entry.orig_filename[:200])


def _unreadable(why: str) -> AwsError:
    return invalid(
        "Could not unzip uploaded file. Please check your file, then try to upload again."
        + (f" ({why[:200]})" if why else "")
    )


def _too_large(what: str, most: int) -> AwsError:
    return invalid(f"{what}, over the {most} that can be deployed")
