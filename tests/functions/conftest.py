from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from insitu.engine import Engine
from insitu.functions import Functions
from insitu.store import Store

Opened = Callable[..., AbstractAsyncContextManager[Functions]]


@pytest.fixture
def opened(engine: Engine, tmp_path: Path) -> Opened:
    """Opens the functions of one folder, as a server does that starts; settings are by name."""

    @asynccontextmanager
    async def open(*, limit: int = 100_000_000, **settings: Any) -> AsyncIterator[Functions]:
        own = engine.settings.model_copy(update=settings)
        async with (
            Store.open(tmp_path / "data", bytes_per_owner=limit, read_bytes=1 << 20, retention_s=3600) as store,
            Functions.open(own, engine, store) as functions,
        ):
            yield functions

    return open


@pytest.fixture
async def functions(opened: Opened) -> AsyncIterator[Functions]:
    async with opened() as functions:
        yield functions
