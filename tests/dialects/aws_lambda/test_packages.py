"""Zip files that anybody may have made: only files in one folder come out, and never more than may."""

from __future__ import annotations

import base64
import io
import random
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Mapping

import pytest

from insitu.dialects.aws_lambda import packages
from insitu.dialects.aws_lambda.errors import AwsError
from insitu.dialects.aws_lambda.packages import Zip
from insitu.dialects.aws_lambda.packages import zipped as written
from insitu.engine import FileUpload

Entry = tuple[zipfile.ZipInfo | str, bytes]


def zipped(*entries: Entry, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def of_kind(kind: int, name: str = "x") -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    return info


def renamed(package: bytes, old: bytes, new: bytes) -> bytes:
    """A zip whose entry has a name that no tool would write."""
    assert len(old) == len(new)
    return package.replace(old, new)


def read_zip(package: bytes) -> dict[str, bytes]:
    return Zip(package).files()


async def write_zip(files: Mapping[str, bytes]) -> bytes:
    uploads = [FileUpload(path, content) for path, content in files.items()]
    return b"".join([piece async for piece in written(uploads)])


def refusal(package: bytes) -> str:
    with pytest.raises(AwsError) as caught:
        read_zip(package)
    assert (caught.value.kind, caught.value.status) == ("InvalidParameterValueException", 400)
    return caught.value.message


def test_files_come_out_by_their_paths() -> None:
    package = zipped(("lambda_function.py", b"x = 1"), ("pkg/", b""), ("./pkg/a.py", b""), ("pkg/données.txt", b"\xff"))
    assert read_zip(package) == {"lambda_function.py": b"x = 1", "pkg/a.py": b"", "pkg/données.txt": b"\xff"}


@pytest.mark.parametrize("files", [{"a.py": b"1"}, {"a/b/c.py": b"x" * 100_000, "d": b""}])
async def test_what_is_written_is_read_again_and_always_the_same(files: Mapping[str, bytes]) -> None:
    package = await write_zip(files)
    assert read_zip(package) == files
    assert await write_zip(files) == package


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up.py", "a/../../up.py", "..", "a\\b.py", "c:\\x.py", "new\nline.py", "x" * 1001]
)
def test_paths_that_leave_or_are_none_are_refused(name: str) -> None:
    assert "which is no path in a folder" in refusal(zipped((name, b"")))


def test_a_path_that_ends_at_a_nul_is_refused() -> None:
    assert "no path in a folder" in refusal(renamed(zipped(("a.pyXevil", b"")), b"a.pyXevil", b"a.py\0evil"))


@pytest.mark.parametrize(
    ("kind", "words"),
    [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "is no file"), (stat.S_IFCHR, "is no file"), (stat.S_IFSOCK, "is no")],
)
def test_links_and_devices_are_refused(kind: int, words: str) -> None:
    assert words in refusal(zipped((of_kind(kind), b"/etc/passwd")))


def test_a_path_that_comes_twice_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        package = zipped(("a.py", b"1"), ("a.py", b"2"))
    assert refusal(package) == "the zip has 'a.py' twice"


@pytest.mark.parametrize("package", [zipped(), zipped(("only/", b""))])
def test_a_zip_without_files_is_refused(package: bytes) -> None:
    assert refusal(package) == "Uploaded file must be a non-empty zip."


@pytest.mark.parametrize("package", [b"", b"PK", b"not a zip", b"PK\x05\x06" + b"\0" * 18 + b"x", b"\0" * 1000])
def test_what_is_no_zip_is_refused(package: bytes) -> None:
    assert refusal(package).startswith(("Could not unzip uploaded file.", "Uploaded file must be"))


def test_content_that_is_damaged_is_refused() -> None:
    package = zipped(("a.py", b"x" * 1000), method=zipfile.ZIP_STORED)
    assert "Could not unzip uploaded file." in refusal(package.replace(b"xxxx", b"xxxy", 1))


def test_any_damage_is_refused_or_harmless() -> None:
    source = random.Random(1)
    package = zipped(("a.py", b"x = 1\n" * 50), ("b/c.py", b"y" * 300))
    for _ in range(2000):
        damaged = bytearray(package)
        for _ in range(source.randint(1, 8)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        try:
            files = read_zip(bytes(damaged[: source.randint(1, len(damaged))] if source.random() < 0.2 else damaged))
        except AwsError as refused:
            assert refused.status == 400
        else:
            assert sum(map(len, files.values())) < 10_000


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_methods_that_aws_does_not_have_are_refused(method: int) -> None:
    assert f"is compressed by method {method}" in refusal(zipped(("a.py", b"1"), method=method))


def test_an_encrypted_entry_is_refused() -> None:
    package = bytearray(zipped(("a.py", b"1")))
    at = package.index(b"PK\x01\x02")
    package[at + 8] |= 1
    assert "is encrypted" in refusal(bytes(package))


def test_a_zip_that_swells_beyond_what_may_be_is_refused_before_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "UNZIPPED_BYTES", 100_000)
    bomb = zipped(*((f"{number}", bytes(30_000)) for number in range(4)))
    assert len(bomb) < 1000
    assert refusal(bomb) == "its files have 120000 bytes, over the 100000 that can be deployed"


def test_an_entry_that_lies_about_its_size_gives_no_more_than_it_says() -> None:
    package = bytearray(zipped(("a.py", bytes(1_000_000))))
    at = package.index(b"PK\x01\x02")
    package[at + 24 : at + 28] = struct.pack("<I", 10)
    assert "Could not unzip uploaded file." in refusal(bytes(package))


def test_of_an_entry_that_lies_about_its_size_no_more_is_unpacked() -> None:
    package = bytearray(zipped(("a.py", bytes(16_000_000))))
    at = package.index(b"PK\x01\x02")
    package[at + 24 : at + 28] = struct.pack("<I", 10)
    tracemalloc.start()
    try:
        refusal(bytes(package))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_too_many_entries_are_refused_unparsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_FILES", 10)
    assert refusal(zipped(*((str(number), b"") for number in range(11)))) == "the zip has more than 10 entries"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not base64!", "ZipFile is not base64"),
        ("ZipFile", "not base64"),
        ("données", "not base64"),
        ("bm8=emlw", "not base64"),
        ("bm8gemlw", "Could not unzip"),
    ],
)
def test_what_is_no_zip_in_base64_is_refused(text: str, words: str) -> None:
    with pytest.raises(AwsError, match=words):
        Zip.of_base64(text)


def test_a_zip_with_too_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    package = zipped(("a.py", b"1"))
    monkeypatch.setattr(packages, "ZIPPED_BYTES", len(package) - 1)
    with pytest.raises(AwsError, match=f"the zip has {len(package)} bytes, over the {len(package) - 1}"):
        Zip.of_base64(base64.b64encode(package).decode())
