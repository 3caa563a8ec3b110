from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from insitu.errors import QuotaExceeded
from insitu.store import Store
from insitu.types import FunctionRevision, FunctionSpec
from tests.store.examples import NOW, blobs, opened


def revision(id: str, content: bytes = b"def main(): pass", name: str = "f") -> FunctionRevision:
    """A revision of one file."""
    return FunctionRevision(name, id, None, NOW, id, len(content), FunctionSpec({"a.py": content}, "a.main"))


async def test_what_functions_take_counts_for_their_owner(folder: Path) -> None:
    async with opened(folder, limit=20_000) as store:
        await store.functions.deploy("ann", revision("1", b"#" * 15_000), publish=True)
        with pytest.raises(QuotaExceeded):
            await store.functions.deploy("ann", revision("2", b"-" * 15_000), publish=True)
        await store.functions.deploy("bob", revision("3", b"#" * 15_000), publish=True)
        await store.functions.delete("ann", "f", None)
        await store.functions.deploy("ann", revision("4", b"+" * 15_000), publish=True)
    with sqlite3.connect(folder / "insitu.db") as database:
        assert dict(database.execute("SELECT owner, bytes > 15000 FROM stored")) == {"ann": 1, "bob": 1}
    database.close()


async def test_code_goes_with_its_revision(store: Store, folder: Path) -> None:
    await store.functions.deploy("ann", revision("1"), publish=False)
    assert len(blobs(folder)) == 1
    await store.functions.deploy("ann", revision("2", b"other"), publish=False)
    assert len(blobs(folder)) == 1
    await store.functions.delete("ann", "f", None)
    assert blobs(folder) == []


async def test_a_deployment_that_fails_leaves_nothing(store: Store, folder: Path) -> None:
    await store.functions.deploy("ann", revision("1"), publish=True)
    with pytest.raises(Exception, match="UNIQUE"):
        await store.functions.deploy("ann", revision("1", b"other"), publish=True)
    assert (await store.functions.get("ann", "f")).latest.code_sha256 == "1"
    assert len(blobs(folder)) == 1
