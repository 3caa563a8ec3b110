from __future__ import annotations

import sys
import threading

import anyio
import pytest

import insitu
from insitu.engine import Engine

# Importing pandas ahead would only make the tests slower.
SMALL = insitu.Settings(preimport=(), pool_size=0)


async def test_it_lives_in_the_callers_event_loop() -> None:
    threads = threading.active_count()
    async with insitu.AsyncSandbox(settings=SMALL) as box:
        assert (await box.run("1 + 1")).text == "2"
        assert [thread.name for thread in threading.enumerate() if thread.name == "insitu-engine"] == []
    assert threading.active_count() <= threads + 1


async def test_sandboxes_share_an_engine_that_is_given() -> None:
    async with Engine(SMALL) as engine:
        async with insitu.AsyncSandbox(engine=engine) as one, insitu.AsyncSandbox(engine=engine) as two:
            await one.run("x = 1")
            assert (await two.run("'x' in dir()")).text == "False"
            assert len(engine.sessions()) == 2
        assert engine.sessions() == []


async def test_an_engine_that_is_given_has_its_own_settings() -> None:
    with pytest.raises(TypeError, match="engine is given, which decides on preimport already"):
        insitu.AsyncSandbox(engine=Engine(SMALL), preimport=[])


async def test_a_sandbox_ends_though_its_task_is_cancelled() -> None:
    async with Engine(SMALL) as engine:
        with anyio.CancelScope() as scope:
            async with insitu.AsyncSandbox(engine=engine):
                scope.cancel()
                await anyio.lowlevel.checkpoint()
        assert engine.sessions() == []


async def test_it_is_closed_outside_of_its_block() -> None:
    box = insitu.AsyncSandbox(settings=SMALL)
    with pytest.raises(insitu.EngineClosed, match="this sandbox is not open"):
        await box.run("1")
    async with box:
        pass
    with pytest.raises(insitu.EngineClosed):
        await box.info()
    with pytest.raises(insitu.EngineClosed):
        await box.files.read("a")


async def test_a_sandbox_whose_engine_is_closed_says_so() -> None:
    async with Engine(SMALL) as engine:
        box = insitu.AsyncSandbox(engine=engine)
        await box.__aenter__()
    with pytest.raises(insitu.ServiceError):
        await box.run("1")


async def test_other_systems_are_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(insitu.IsolationUnavailable, match="needs Linux, and this is darwin"):
        async with insitu.AsyncSandbox(settings=SMALL):
            raise AssertionError("there is no sandbox")
