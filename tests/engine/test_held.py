"""Sessions that only whoever had them made uses, and the room that they make when they can be spared."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from insitu.engine import Engine, Session
from insitu.errors import QuotaExceeded, ServerFull, SessionNotFound
from tests.support.guest import SMALL


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[Engine]:
    """An engine with room for three sessions, two of one owner."""
    async with Engine(SMALL.model_copy(update={"max_sessions": 3, "max_sessions_per_owner": 2})) as engine:
        yield engine


@pytest.fixture(autouse=True)
async def empty(engine: Engine) -> AsyncIterator[None]:
    yield
    await engine._sessions.end_all("the test is over")
    assert engine.load["sandboxes"] == 0


async def hold(engine: Engine, owner: str, *, spare: bool = True) -> Session:
    """A held session in which something has run."""
    session = await engine.create_session(owner=owner, held=True)
    assert (await engine.run(session, "1")).session_id is None
    session.spare = spare
    return session


async def test_a_held_session_is_counted_and_found_by_nobody(engine: Engine) -> None:
    session = await hold(engine, "one")
    assert engine.sessions(owner="one") == []
    for owner in ("one", ""):
        with pytest.raises(SessionNotFound):
            engine.session(session.id, owner=owner)
    assert (engine.load["sessions"], engine.load["held"], engine.load["sandboxes"]) == (0, 1, 1)


async def test_a_held_session_has_all_the_time_there_is(engine: Engine) -> None:
    session = await hold(engine, "one")
    assert session.expires == float("inf")


async def test_what_is_held_and_in_use_counts_as_its_owners(engine: Engine) -> None:
    for _ in range(2):
        await hold(engine, "one", spare=False)
    with pytest.raises(QuotaExceeded, match="you have 2 sessions, the most for one key"):
        await engine.create_session(owner="one")
    await hold(engine, "two", spare=False)
    with pytest.raises(ServerFull):
        await engine.create_session(owner="two")
    assert engine.load["held"] == 3


async def test_an_owners_own_spare_session_makes_room_the_longest_unused_first(engine: Engine) -> None:
    older, newer = await hold(engine, "one"), await hold(engine, "one")
    await engine.run(older, "1")
    other = await hold(engine, "two")
    session = await engine.create_session(owner="one")
    assert [each.ended is None for each in (older, newer, other)] == [True, False, True]
    assert engine.sessions(owner="one") == [session]


async def test_an_owners_own_goes_before_those_of_others_though_they_are_longer_unused(engine: Engine) -> None:
    others = [await hold(engine, "two"), await hold(engine, "two")]
    own = await hold(engine, "one")
    await engine.create_session(owner="one")
    assert [each.ended for each in (*others, own)] == [None, None, "there was need of its room"]
    await engine.create_session(owner="one")
    assert [each.ended for each in others] == ["there was need of its room", None]


async def test_an_execution_in_a_fresh_sandbox_gets_that_room_too(engine: Engine) -> None:
    held = [await hold(engine, owner) for owner in ("one", "one", "two")]
    assert (await engine.run(None, "1 + 1", owner="three")).text == "2"
    assert [each.ended is None for each in held] == [False, True, True]


async def test_a_quota_takes_nothing_from_others(engine: Engine) -> None:
    other = await hold(engine, "two")
    for _ in range(2):
        await engine.create_session(owner="one")
    with pytest.raises(QuotaExceeded):
        await engine.create_session(owner="one")
    assert other.ended is None
