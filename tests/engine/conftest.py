from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from insitu.engine import Engine, Workspace
from tests.support.guest import SMALL, Guest


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[Engine]:
    async with Engine(SMALL) as engine:
        yield engine


@pytest.fixture
async def guest(engine: Engine) -> AsyncIterator[Guest]:
    """A session of the test's own."""
    session = await engine.create_session()
    yield Guest(engine, session)
    await engine.end_session(session)


@pytest.fixture
def files(guest: Guest) -> Workspace:
    return guest.session.files


@pytest.fixture
def cgroups(engine: Engine) -> None:
    """For tests of what only cgroups can do."""
    if engine.layers["cgroups"].startswith("none"):
        pytest.skip("this machine lets this user make no cgroups")
