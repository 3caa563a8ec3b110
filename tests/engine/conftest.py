from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from insitu.engine import Engine, Workspace
from tests.support.guest import Guest


@pytest.fixture
async def guest(engine: Engine) -> AsyncIterator[Guest]:
    """A session of the test's own."""
    session = await engine.create_session()
    yield Guest(engine, session)
    await engine.end_session(session)


@pytest.fixture
def files(guest: Guest) -> Workspace:
    return guest.session.files
