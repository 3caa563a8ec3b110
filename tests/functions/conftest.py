from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from insitu.engine import Engine, Session
from insitu.functions import Functions
from insitu.store import Store

Opened = Callable[..., AbstractAsyncContextManager[Functions]]


@pytest.fixture
def opened(engine: Engine, tmp_path: Path) -> Opened:
    """Opens the functions of one folder, as a server does that starts; settings are by name."""

    @asynccontextmanager
    async def open(on: Engine = engine, *, limit: int = 100_000_000, **settings: Any) -> AsyncIterator[Functions]:
        own = on.settings.model_copy(update=settings)
        async with (
            Store.open(tmp_path / "data", bytes_per_owner=limit, read_bytes=1 << 20, retention_s=3600) as store,
            Functions.open(own, on, store) as functions,
        ):
            yield functions

    return open


def held(engine: Engine) -> list[Session]:
    """The sandboxes of functions, which no client finds."""
    return [session for session in engine._sessions._sessions.values() if session.held]


@pytest.fixture
async def functions(opened: Opened) -> AsyncIterator[Functions]:
    async with opened() as functions:
        yield functions
