"""The code of functions comes whole into their sandboxes, and takes no memory of the server's."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest

from insitu.errors import NotFound
from insitu.functions import Functions, FunctionSpec
from insitu.store.blobs import CHUNK
from tests.functions.sources import OWNER

DIGESTS = b"""
import hashlib, pathlib
def main():
    files = [path for path in pathlib.Path("data").rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
"""


def with_data(*sizes: int) -> FunctionSpec:
    """A function with files of these sizes, no two of which have a byte in common at the same place."""
    files = {f"data/{'deep/' * (number % 3)}{number}": bytes([number]) * size for number, size in enumerate(sizes)}
    return FunctionSpec({"function.py": DIGESTS, **files}, "function.main")


@pytest.mark.parametrize(
    "sizes", [[0], [1] * 40, [CHUNK - 1, CHUNK, CHUNK + 1], [0, 3 * CHUNK, 10, 0, CHUNK // 2, CHUNK, 7]]
)
async def test_files_of_all_sizes_come_whole(functions: Functions, sizes: list[int]) -> None:
    made = with_data(*sizes)
    await functions.deploy(OWNER, "f", made)
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in made.files.items()}
    assert (await functions.invoke(OWNER, "f")).result == {
        path: digest for path, digest in digests.items() if path != "function.py"
    }
    assert (await functions.revision(OWNER, "f")).spec == made


async def test_a_cold_start_holds_little_of_much_code(functions: Functions) -> None:
    await functions.deploy(OWNER, "f", with_data(4 << 20, 4 << 20))
    tracemalloc.start()
    try:
        assert (await functions.invoke(OWNER, "f")).ok
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 << 20


async def test_code_that_is_deleted_while_it_is_read_is_not_there(functions: Functions) -> None:
    await functions.deploy(OWNER, "f", with_data(3 * CHUNK))
    _, [_, data] = await functions.code(OWNER, "f")
    chunks = data.chunks()
    assert await anext(chunks) == bytes(CHUNK)
    await functions.delete(OWNER, "f")
    with pytest.raises(NotFound, match="is gone"):
        await anext(chunks)
    with pytest.raises(NotFound, match="there is no function 'f'"):
        await functions.code(OWNER, "f")
