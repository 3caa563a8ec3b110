from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from insitu.store import Store
from tests.store.examples import opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "data"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[Store]:
    """The store of the folder."""
    async with opened(folder) as store:
        yield store
