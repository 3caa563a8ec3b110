from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from insitu.engine import Engine
from tests.support.guest import Guest


@pytest.fixture(scope="module")
async def guest(engine: Engine) -> Guest:
    """A session that the module's tests only look at things in."""
    return Guest(engine, await engine.create_session())


@pytest.fixture
async def fresh(engine: Engine) -> AsyncIterator[Guest]:
    """A session of the test's own."""
    session = await engine.create_session()
    yield Guest(engine, session)
    await engine.end_session(session)
