from __future__ import annotations

from dataclasses import replace

import pytest

from insitu.errors import InvalidRequest, NotFound, QuotaExceeded
from insitu.store import EventsRecord, Item, ResponseRecord, Store
from tests.store.examples import NOW, conversation, item, response


async def test_a_response_comes_back_as_it_was_saved(store: Store) -> None:
    body = {"output": [{"text": "ü\0\u2028", "n": [1, 2.5, None, True]}], "usage": {}}
    record = ResponseRecord("r", "ann", NOW, "in_progress", body, "r0", "conv")
    await store.responses.save(record, [], [])
    assert await store.responses.get("r", "ann") == record


@pytest.mark.parametrize(
    "value", ["\ud800", 1 << 80, "x" * 1_000_000, [[[]]] * 300], ids=["surrogate", "int", "x", "y"]
)
async def test_odd_json_is_kept(store: Store, value: object) -> None:
    record = replace(response("r"), body={"value": value, "text": "\ud800"})
    await store.responses.save(record, [], [])
    assert await store.responses.get("r", "ann") == record


async def test_items_keep_their_order_and_side(store: Store) -> None:
    inputs, outputs = [item("b", text="1"), item("a", text="2")], [item("z", text="3", sandbox="s"), item("y")]
    await store.responses.save(response("r"), inputs, outputs)
    assert await store.responses.inputs("r", "ann") == inputs
    assert await store.responses.outputs("r", "ann") == outputs


async def test_a_response_without_items_has_none(store: Store) -> None:
    await store.responses.save(response("r"), [], [])
    assert await store.responses.inputs("r", "ann") == []
    assert await store.responses.outputs("r", "ann") == []


async def test_the_same_item_may_be_asked_with_twice(store: Store) -> None:
    await store.responses.save(response("r"), [item("a"), item("a")], [])
    assert await store.responses.inputs("r", "ann") == [item("a"), item("a")]


async def test_saving_again_replaces(store: Store) -> None:
    await store.responses.save(replace(response("r"), status="in_progress"), [item("q")], [item("a"), item("gone")])
    final = replace(response("r"), status="completed", body={"done": True})
    await store.responses.save(final, [item("q")], [item("a", text="whole"), item("b")])
    assert await store.responses.get("r", "ann") == final
    assert await store.responses.inputs("r", "ann") == [item("q")]
    assert await store.responses.outputs("r", "ann") == [item("a", text="whole"), item("b")]
    assert await store.responses.items(["gone", "a"], "ann") == {"a": item("a", text="whole")}


async def test_a_recorded_stream_is_read_in_parts(store: Store) -> None:
    parts = [EventsRecord(0, b"one two"), EventsRecord(2, b"\x00three\xff")]
    await store.responses.save(response("r"), [], [])
    assert await store.responses.events("r", "ann", 0) is None
    await store.responses.save(response("r"), [], [], parts)
    assert [await store.responses.events("r", "ann", number) for number in range(4)] == [parts[0]] * 2 + [parts[1]] * 2
    assert await store.responses.events("r", "bob", 0) is None
    await store.responses.delete("r", "ann")
    assert await store.responses.events("r", "ann", 0) is None


async def test_what_a_client_sends_back_does_not_replace_what_the_server_keeps(store: Store) -> None:
    made = item("ci_1", text="print(1)", container="cntr_1")
    await store.responses.save(response("r1"), [], [made])
    await store.responses.save(response("r2"), [item("ci_1", text="other")], [])
    assert await store.responses.items(["ci_1"], "ann") == {"ci_1": made}
    assert await store.responses.inputs("r2", "ann") == [made]


async def test_history_is_the_whole_chain_oldest_first(store: Store) -> None:
    await store.responses.save(response("r1"), [item("q1")], [item("a1")])
    await store.responses.save(response("r2", previous="r1"), [item("q2"), item("q2b")], [])
    await store.responses.save(response("r3", previous="r2"), [], [item("a3"), item("a3b")])
    await store.responses.save(response("other", previous="r1"), [item("x")], [item("y")])
    assert [each.id for each in await store.responses.history("r3", "ann")] == ["q1", "a1", "q2", "q2b", "a3", "a3b"]
    assert [each.id for each in await store.responses.history("r1", "ann")] == ["q1", "a1"]


async def test_a_chain_of_a_thousand_responses_is_read_at_once(store: Store) -> None:
    for number in range(1000):
        previous = f"r{number - 1}" if number else None
        await store.responses.save(response(f"r{number}", previous=previous), [item(f"q{number}")], [])
    history = await store.responses.history("r999", "ann")
    assert [each.id for each in history] == [f"q{number}" for number in range(1000)]


async def test_a_missing_link_is_named(store: Store) -> None:
    await store.responses.save(response("r1"), [item("q1")], [])
    await store.responses.save(response("r2", previous="r1"), [item("q2")], [])
    await store.responses.save(response("r3", previous="r2"), [item("q3")], [])
    await store.responses.delete("r1", "ann")
    assert (await store.responses.get("r2", "ann")).previous_id == "r1"
    with pytest.raises(NotFound, match=r"^there is no response 'r1'\n"):
        await store.responses.history("r3", "ann")


async def test_a_chain_into_someone_elses_response_is_broken(store: Store) -> None:
    await store.responses.save(response("r1", owner="bob"), [item("q", owner="bob")], [])
    await store.responses.save(response("r2", previous="r1"), [], [])
    with pytest.raises(NotFound, match="'r1'"):
        await store.responses.history("r2", "ann")


async def test_a_chain_that_closes_upon_itself_ends(store: Store) -> None:
    await store.responses.save(response("r1", previous="r2"), [], [])
    await store.responses.save(response("r2", previous="r1"), [], [])
    with pytest.raises(NotFound):
        await store.responses.history("r2", "ann")


async def test_items_are_found_by_their_ids(store: Store) -> None:
    many = [item(f"i{number}") for number in range(1200)]
    await store.responses.put_items(many)
    found = await store.responses.items([*(each.id for each in many), "none"], "ann")
    assert found == {each.id: each for each in many}
    assert await store.responses.items([], "ann") == {}


async def test_put_items_replaces(store: Store) -> None:
    await store.responses.put_items([item("a", text="old", sandbox=1)])
    await store.responses.put_items([item("a", text="new", sandbox=2)])
    await store.responses.put_items([])
    assert await store.responses.items(["a"], "ann") == {"a": item("a", text="new", sandbox=2)}


async def test_deleting_a_response_deletes_the_items_that_nothing_else_has(store: Store) -> None:
    everything = [item("own"), item("shared"), item("talked"), item("out")]
    await store.responses.save(response("r1"), everything[:3], everything[3:])
    await store.responses.save(response("r2"), [item("shared")], [])
    await store.conversations.create(conversation("conv"), [item("talked")])
    await store.responses.delete("r1", "ann")
    with pytest.raises(NotFound, match=r"^there is no response 'r1'\n"):
        await store.responses.get("r1", "ann")
    assert set(await store.responses.items([each.id for each in everything], "ann")) == {"shared", "talked"}
    with pytest.raises(NotFound):
        await store.responses.delete("r1", "ann")


async def test_strings_that_no_database_takes_are_the_callers_mistake(store: Store) -> None:
    with pytest.raises(InvalidRequest, match="not valid Unicode"):
        await store.responses.get("\ud800", "ann")
    assert await store.responses.items([], "ann") == {}


async def test_ids_are_no_sql(store: Store) -> None:
    odd = [Item(id, "ann", {}, {}, NOW) for id in ("'; DROP TABLE items; --", "%", "_", "", "a\0b", "\U0001f600")]
    await store.responses.put_items(odd)
    assert await store.responses.items([each.id for each in odd], "ann") == {each.id: each for each in odd}
    assert await store.responses.items(["x"], "ann") == {}


async def test_who_has_no_room_for_a_history_is_asked_before_it_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.responses.save(response("r1"), [item("q1", text="x" * 1000)], [item("a1")])
    await store.responses.save(response("r2", previous="r1"), [item("q2")], [])
    asked: list[tuple[int, int]] = []
    assert len(await store.responses.history("r2", "ann", lambda *size: asked.append(size))) == 3
    read: list[object] = []
    monkeypatch.setattr("insitu.store.responses.Item", lambda *row: read.append(row))

    def refuse(items: int, size: int) -> None:
        raise QuotaExceeded(f"{items} items of {size} bytes")

    [(items, size)] = asked
    assert items == 3 and size > 1000
    with pytest.raises(QuotaExceeded, match=rf"^3 items of {size} bytes$"):
        await store.responses.history("r2", "ann", refuse)
    assert not read
