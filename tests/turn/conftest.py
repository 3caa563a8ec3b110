from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from insitu.engine import Engine
from tests.support.guest import SMALL
from tests.support.model import ScriptedModel, say
from tests.support.responses import run
from tests.support.turns import Place, assert_nothing_runs_but, placed, tasks

Served = Callable[..., AbstractAsyncContextManager[Place]]


@pytest.fixture(scope="module")
def serve(engine: Engine, the_model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Makes servers with settings of their own."""

    def make(**others: Any) -> AbstractAsyncContextManager[Place]:
        own = {"port": 0, "upstream": the_model.url, "data_dir": tmp_path_factory.mktemp("data")}
        return placed(engine, SMALL.model_copy(update=own | others))

    return make


@pytest.fixture(scope="module")
async def the_place(serve: Served) -> AsyncIterator[Place]:
    """The server that most tests of a module share."""
    async with serve() as place:
        yield place


@pytest.fixture
async def place(the_place: Place) -> AsyncIterator[Place]:
    """The same, with no session yet."""
    yield the_place
    await the_place.clear()


@pytest.fixture
async def nothing_left(place: Place, model: ScriptedModel) -> AsyncIterator[None]:
    """What was there before is all that is there afterwards; a first turn has made what stays."""
    model.script(run("1"), say("One."))
    await place.ask()
    await place.clear()
    model.forget()
    before = tasks()
    yield
    await place.clear()
    await assert_nothing_runs_but(before)
