from __future__ import annotations

from dataclasses import replace

import pytest

from insitu.errors import NotFound
from insitu.store import Page, Store
from tests.store.examples import NOW, conversation, item, response


async def ids(store: Store) -> list[str]:
    """The ids of the items of "conv"."""
    return [each.id for each in await store.conversations.all_items("conv", "ann")]


async def test_a_conversation_comes_back_as_it_was_made(store: Store) -> None:
    record = replace(conversation("conv"), metadata={"topic": "ü"})
    await store.conversations.create(record, [item("b", text="1", x=1), item("a")])
    assert await store.conversations.get("conv", "ann") == record
    assert await store.conversations.all_items("conv", "ann") == [item("b", text="1", x=1), item("a")]


async def test_metadata_is_replaced(store: Store) -> None:
    await store.conversations.create(replace(conversation("conv"), metadata={"a": "1"}), [])
    updated = await store.conversations.update("conv", "ann", {"b": "2"})
    assert updated == replace(conversation("conv"), metadata={"b": "2"})
    assert await store.conversations.get("conv", "ann") == updated


async def test_items_stay_in_the_order_in_which_they_were_added(store: Store) -> None:
    await store.conversations.create(conversation("conv"), [item("young", created=NOW)])
    await store.conversations.append("conv", "ann", [item("old", created=NOW - 9), item("older", created=NOW - 99)])
    await store.conversations.append("conv", "ann", [])
    assert await ids(store) == ["young", "old", "older"]


async def test_an_item_is_not_added_twice(store: Store) -> None:
    await store.conversations.create(conversation("conv"), [item("a"), item("b")])
    await store.conversations.append("conv", "ann", [item("c"), item("a", text="other"), item("c")])
    assert await ids(store) == ["a", "b", "c"]
    assert await store.conversations.item("conv", "a", "ann") == item("a")


async def test_one_item_may_be_in_two_conversations(store: Store) -> None:
    await store.conversations.create(conversation("conv"), [item("a")])
    await store.conversations.create(conversation("other"), [item("a")])
    await store.conversations.delete("other", "ann")
    assert await ids(store) == ["a"]


async def test_items_come_in_pages(store: Store) -> None:
    await store.conversations.create(conversation("conv"), [item(id) for id in "dacb"])
    first = await store.conversations.items("conv", "ann", Page(3, None, "asc"))
    assert ([each.id for each in first.data], first.has_more) == (["d", "a", "c"], True)
    rest = await store.conversations.items("conv", "ann", Page(3, "c", "asc"))
    assert ([each.id for each in rest.data], rest.has_more) == (["b"], False)
    latest = await store.conversations.items("conv", "ann", Page(2, "c", "desc"))
    assert ([each.id for each in latest.data], latest.has_more) == (["a", "d"], False)


async def test_a_page_behind_an_item_of_another_conversation_is_not_found(store: Store) -> None:
    await store.conversations.create(conversation("conv"), [item("a")])
    await store.conversations.create(conversation("other"), [item("b")])
    with pytest.raises(NotFound, match=r"^there is no item 'b'\n"):
        await store.conversations.items("conv", "ann", Page(3, "b", "asc"))
    with pytest.raises(NotFound, match=r"^there is no item 'b'\n"):
        await store.conversations.item("conv", "b", "ann")


async def test_an_item_that_is_taken_out_goes_unless_a_response_has_it(store: Store) -> None:
    await store.responses.save(response("r"), [item("b")], [])
    await store.conversations.create(conversation("conv"), [item("a"), item("b"), item("c")])
    await store.conversations.remove("conv", "a", "ann")
    await store.conversations.remove("conv", "b", "ann")
    assert await ids(store) == ["c"]
    assert set(await store.responses.items(["a", "b", "c"], "ann")) == {"b", "c"}
    with pytest.raises(NotFound, match=r"^there is no item 'a'\n"):
        await store.conversations.remove("conv", "a", "ann")


async def test_deleting_a_conversation_deletes_its_items_but_no_responses(store: Store) -> None:
    await store.responses.save(response("r"), [item("b")], [])
    await store.conversations.create(conversation("conv"), [item("a"), item("b")])
    await store.conversations.delete("conv", "ann")
    assert set(await store.responses.items(["a", "b"], "ann")) == {"b"}
    with pytest.raises(NotFound, match=r"^there is no conversation 'conv'\n"):
        await store.conversations.get("conv", "ann")
    with pytest.raises(NotFound, match=r"^there is no conversation 'conv'\n"):
        await store.conversations.delete("conv", "ann")
