"""Deployment packages: zip files, which anybody may have made."""

from __future__ import annotations

import base64
import binascii
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath

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


def unpack(text: str) -> tuple[bytes, dict[str, bytes]]:
    """The zip that is base64 in a request, and the files in it.

    Raises:
        AwsError: if it is no zip, is too large, or has entries that are no files in one folder.
    """
    try:
        package = base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise invalid(f"ZipFile is not base64: {exc}") from None
    if len(package) > ZIPPED_BYTES:
        raise _too_large(f"the zip has {len(package)} bytes", ZIPPED_BYTES)
    return package, read_zip(package)


def read_zip(package: bytes) -> dict[str, bytes]:
    """The files in a zip, by their paths.

    Raises:
        AwsError: if it is no zip, is too large, or has entries that are no files in one folder.
    """
    # Counted before it is parsed: each entry takes far more memory there than its 46 bytes here.
    if package.count(_ENTRY) > MOST_FILES:
        raise invalid(f"the zip has more than {MOST_FILES} entries")
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            return _files(archive)
    except _DAMAGE as exc:
        raise _unreadable(str(exc)) from None


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """Files as a zip; the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(files.items()):
            info = zipfile.ZipInfo(path)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def _files(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    size = sum(entry.file_size for entry in entries)
    if size > UNZIPPED_BYTES:
        raise _too_large(f"its files have {size} bytes", UNZIPPED_BYTES)
    files: dict[str, bytes] = {}
    for entry in entries:
        path = _path(entry)
        _check_kind(entry)
        if entry.is_dir():
            continue
        if path in files:
            raise invalid(f"the zip has {path!r} twice")
        files[path] = archive.read(entry)  # never more than the size that it declares
    _check_folders(files)
    if not files:
        raise invalid("Uploaded file must be a non-empty zip.")
    return files


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


def _check_folders(files: Mapping[str, bytes]) -> None:
    for path in files:
        for parent in PurePosixPath(path).parents:
            if str(parent) in files:
                raise invalid(f"the zip has {str(parent)!r} both as a file and as a folder")


def _shown(entry: zipfile.ZipInfo) -> str:
    return repr(entry.orig_filename[:200])


def _unreadable(why: str) -> AwsError:
    return invalid(
        "Could not unzip uploaded file. Please check your file, then try to upload again."
        + (f" ({why[:200]})" if why else "")
    )


def _too_large(what: str, most: int) -> AwsError:
    return invalid(f"{what}, over the {most} that can be deployed")
