from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from insitu.errors import NotFound, QuotaExceeded
from insitu.store import Page, Store
from insitu.types import CodeError, FunctionRevision, FunctionSpec, Invocation
from tests.store.examples import NOW, opened

REQUEST = b'{"args": []}'
TABLES = ("invocations", "invocation_requests", "invocation_results")


async def deploy(store: Store, owner: str, created: float = NOW) -> None:
    """Deploy a function f, whose revision is rev."""
    code = b"def main(): pass"
    revision = FunctionRevision("f", "rev", None, created, "sha", len(code), FunctionSpec({"a.py": code}, "a.main"))
    await store.functions.deploy(owner, revision, publish=True)


@pytest.fixture
async def deployed(store: Store) -> Store:
    """A store with ann's function f, whose revision is rev."""
    await deploy(store, "ann")
    return store


def queued(id: str = "inv") -> Invocation:
    """An invocation that waits."""
    return Invocation(id, "f", 1, "queued", created=NOW)


def done(id: str = "inv", **fields: Any) -> Invocation:
    """An invocation that has returned."""
    return replace(queued(id), **{"state": "done", "outcome": "ok", "started": NOW, **fields})


def ask(folder: Path, query: str) -> Sequence[Any]:
    """What the database says."""
    with closing(sqlite3.connect(folder / "insitu.db")) as database:
        return database.execute(query).fetchall()


def rows(folder: Path) -> list[int]:
    """How many invocations there are, how many requests, how many results."""
    return [ask(folder, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]


async def test_an_invocation_from_its_acceptance_to_its_end(deployed: Store, folder: Path) -> None:
    invocations = deployed.invocations
    await invocations.accept("ann", queued(), "rev", REQUEST, 10)
    assert await invocations.get("ann", "inv") == queued()
    running = replace(queued(), state="running", started=NOW)
    assert await invocations.begin("ann", running) == REQUEST
    assert await invocations.begin("ann", running) is None
    assert await invocations.get("ann", "inv") == running
    await invocations.put_back("ann", queued())
    assert await invocations.begin("ann", running) == REQUEST
    assert rows(folder) == [1, 1, 0]
    await invocations.finish("ann", done(result={"a": [1]}))
    assert await invocations.get("ann", "inv") == done(result={"a": [1]})
    assert rows(folder) == [1, 0, 1]
    await deployed.functions.delete("ann", "f", None)
    assert rows(folder) == [0, 0, 0]
    assert ask(folder, "SELECT * FROM stored") == [("ann", 0)]


async def test_a_change_of_state_does_not_write_the_request_again(deployed: Store, folder: Path) -> None:
    await deployed.invocations.accept("ann", queued(), "rev", b"x" * 500_000, 10)
    written = (folder / "insitu.db-wal").stat().st_size
    assert written > 500_000
    for _ in range(3):
        await deployed.invocations.begin("ann", replace(queued(), state="running", started=NOW))
        await deployed.invocations.put_back("ann", queued())
    assert (folder / "insitu.db-wal").stat().st_size - written < 150_000


async def test_no_request_is_accepted_over_what_its_owner_may_store(deployed: Store, folder: Path) -> None:
    with pytest.raises(QuotaExceeded, match="1000000 are allowed"):
        await deployed.invocations.accept("ann", queued(), "rev", b"x" * 999_000, 10)
    assert rows(folder) == [0, 0, 0]


async def test_a_result_without_room_is_told_in_its_place(deployed: Store, folder: Path) -> None:
    invocations = deployed.invocations
    for id in ("kept", "large"):
        await invocations.accept("ann", queued(id), "rev", REQUEST, 10)
    await invocations.finish("ann", done("kept", result="x" * 600_000, stdout="out"))
    await invocations.finish("ann", done("large", result="x" * 600_000, stdout="out"))
    assert (await invocations.get("ann", "kept")).result == "x" * 600_000
    told = await invocations.get("ann", "large")
    assert (told.state, told.outcome, told.result, told.stdout) == ("done", "error", None, "")
    assert told.error is not None
    assert told.error.name == "QuotaExceeded"
    assert "what it returned and wrote is not kept" in told.error.value
    assert "1000000 are allowed" in told.error.value
    assert rows(folder) == [2, 0, 1]
    assert ask(folder, "SELECT bytes <= 1000000 FROM stored") == [(1,)]


async def test_an_outcome_other_than_success_stays_without_room(deployed: Store) -> None:
    await deployed.invocations.accept("ann", queued(), "rev", REQUEST, 10)
    error = CodeError("ValueError", "x" * 2_000_000)
    await deployed.invocations.finish("ann", done(outcome="timeout", error=error))
    told = await deployed.invocations.get("ann", "inv")
    assert (told.outcome, told.error and told.error.name) == ("timeout", "QuotaExceeded")


async def test_the_log_of_an_owner_without_room_gets_no_longer(folder: Path) -> None:
    async with opened(folder, limit=20_000) as store:
        for owner in ("ann", "bob"):
            await deploy(store, owner)
        ended = [(owner, "rev", done(f"inv_{owner}", stdout="x" * 10_000)) for owner in ("ann", "bob")]
        await store.invocations.log(ended, 10)
        await store.invocations.log([("ann", "rev", done("more", stdout="x" * 10_000))], 10)
        assert [each.id for each in (await store.invocations.ended("ann", "f", Page())).data] == ["inv_ann"]
        assert [each.id for each in (await store.invocations.ended("bob", "f", Page())).data] == ["inv_bob"]


async def test_what_ends_after_its_function_is_not_in_the_log_of_the_next(deployed: Store) -> None:
    await deployed.functions.delete("ann", "f", None)
    await deployed.invocations.log([("ann", "rev", done("too late"))], 10)
    await deploy(deployed, "ann", NOW + 1)
    await deployed.invocations.log([("ann", "rev", done("still too late"))], 10)
    assert (await deployed.invocations.ended("ann", "f", Page())).data == []


async def test_the_log_has_the_last_beside_all_that_were_accepted(deployed: Store) -> None:
    for number in range(3):
        await deployed.invocations.accept("ann", queued(f"accepted{number}"), "rev", REQUEST, 10)
        await deployed.invocations.finish("ann", done(f"accepted{number}"))
        await deployed.invocations.log([("ann", "rev", done(f"awaited{number}"))], 2)
    ended = (await deployed.invocations.ended("ann", "f", Page())).data
    assert [each.id for each in ended] == ["awaited2", "accepted2", "awaited1", "accepted1", "accepted0"]


async def test_those_that_have_ended_are_told_of_in_pages(deployed: Store) -> None:
    await deployed.invocations.log([("ann", "rev", done(f"inv{number}")) for number in range(5)], 10)
    await deployed.invocations.accept("ann", queued("waits"), "rev", REQUEST, 10)
    first = await deployed.invocations.ended("ann", "f", Page(2))
    assert ([each.id for each in first.data], first.has_more) == (["inv4", "inv3"], True)
    last = await deployed.invocations.ended("ann", "f", Page(3, "inv3"))
    assert ([each.id for each in last.data], last.has_more) == (["inv2", "inv1", "inv0"], False)
    with pytest.raises(NotFound, match="there is no invocation 'other'"):
        await deployed.invocations.ended("ann", "f", Page(2, "other"))


async def test_old_ones_go_with_their_results_once_they_have_ended(deployed: Store, folder: Path) -> None:
    for id in ("ended", "waits"):
        await deployed.invocations.accept("ann", replace(queued(id), created=NOW - 7200), "rev", REQUEST, 10)
    await deployed.invocations.finish("ann", done("ended", result=1))
    await deployed.purge()
    assert rows(folder) == [1, 1, 0]
    assert (await deployed.invocations.get("ann", "waits")).state == "queued"


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT count(*) FROM invocations WHERE owner = 'a' AND state != 'done'", "ix_invocations_open"),
        ("SELECT * FROM invocations WHERE state != 'done' AND server != 'a'", "ix_invocations_open"),
        (
            "SELECT seq FROM invocations WHERE owner = 'a' AND function_id = 'f' AND accepted IS 0 ORDER BY seq DESC",
            "ix_invocations_accepted",
        ),
    ],
)
async def test_what_is_asked_often_is_answered_by_an_index(
    deployed: Store, folder: Path, query: str, index: str
) -> None:
    [plan] = ask(folder, f"EXPLAIN QUERY PLAN {query}")
    assert f"INDEX {index}" in plan[3]
