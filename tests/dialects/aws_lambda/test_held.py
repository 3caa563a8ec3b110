"""What deployments take of the server's memory is counted, before it is taken."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from botocore.exceptions import ClientError

from insitu.dialects.aws_lambda.packages import zipped
from insitu.web import bodies
from tests.support.lambdas import ADD, Aws, connected, create, result, said

ROOM = 1 << 20


@pytest.fixture
def narrow(serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """A client of a server that holds little."""
    monkeypatch.setattr(bodies, "HELD_BYTES", ROOM)
    with connected(serve()) as made:
        yield made


def swelling(size: int) -> bytes:
    """A small zip of a module and many zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("main.py", ADD)
        archive.writestr("zeros", bytes(size))
    return buffer.getvalue()


def test_what_a_package_unpacks_to_is_counted(narrow: Aws, name: str) -> None:
    for _ in range(3):  # whoever is refused holds nothing any more
        with pytest.raises(ClientError) as caught:
            create(narrow, name, Code={"ZipFile": swelling(2 * ROOM)})
        assert said(caught.value) == ("TooManyRequestsException", 429)
    create(narrow, name, Code={"ZipFile": swelling(ROOM // 2)})
    narrow.update_function_configuration(FunctionName=name, Timeout=9)
    assert result(narrow, name, {"a": 1, "b": 2}) == {"sum": 3}


class _Endless:
    """A file that is read as far as somebody reads it."""

    path = "endless"

    def __init__(self) -> None:
        self.read = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            self.read += 1
            yield bytes(100_000)


async def test_a_zip_is_written_while_its_files_are_read() -> None:
    file = _Endless()
    pieces = zipped([file])
    for count in range(1, 4):
        await anext(pieces)
        assert file.read == count
    await pieces.aclose()
