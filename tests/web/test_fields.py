"""Files that come with a request."""

from __future__ import annotations

import base64
import threading

import pytest

from insitu.errors import InvalidRequest
from insitu.heavy import SMALL_BYTES, decoded
from insitu.web.fields import InlineFile, uploads


async def test_large_files_are_read_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def noted(text: str) -> bytes:
        threads.append(threading.get_ident())
        return decoded(text)

    monkeypatch.setattr("insitu.web.fields.decoded", noted)
    contents = [b"small", bytes(SMALL_BYTES)]
    files = [InlineFile(path="a", base64=base64.b64encode(content).decode()) for content in contents]
    assert [upload.content for upload in await uploads([*files, InlineFile(path="b", text="é")])] == [
        *contents,
        b"\xc3\xa9",
    ]
    assert threads[0] == threading.get_ident() != threads[1]


async def test_base64_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"files: the base64 of 'a\.bin' cannot be read"):
        await uploads([InlineFile(path="a.bin", base64="A" * (SMALL_BYTES + 1))])
