"""What each owner stores is counted, whatever it is, and large readings are refused before they begin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from insitu.errors import QuotaExceeded, TooLarge
from insitu.store import EventsRecord, Page, Store, queries
from tests.store.examples import (
    QUOTA,
    add,
    chunks,
    container,
    container_file,
    conversation,
    item,
    opened,
    response,
)

Work = Callable[[Store], Awaitable[object]]


async def keep(store: Store) -> None:
    await store.containers.save(container("c"))
    await store.containers.put_file(container_file("f", size=1))
    await store.containers.keep("c", "f", "ann", chunks(b"x" * 5000), QUOTA)


CASES: dict[str, tuple[Work, Work]] = {
    "file": (lambda s: add(s, "f", b"x"), lambda s: s.files.delete("f", "ann")),
    "kept": (keep, lambda s: s.containers.delete("c", "ann")),
    "response": (
        lambda s: s.responses.save(response("r"), [item("a")], [item("b")], [EventsRecord(0, b"x" * 5000)]),
        lambda s: s.responses.delete("r", "ann"),
    ),
    "conversation": (
        lambda s: s.conversations.create(conversation("c"), [item("a"), item("b")]),
        lambda s: s.conversations.delete("c", "ann"),
    ),
}


@pytest.mark.parametrize(("make", "delete"), CASES.values(), ids=CASES)
async def test_all_that_is_stored_counts_until_it_is_deleted(store: Store, make: Work, delete: Work) -> None:
    await make(store)
    assert QUOTA - await store.quota.left("ann") >= 3 * 512
    assert await store.quota.left("bob") == QUOTA
    await delete(store)
    assert await store.quota.left("ann") == QUOTA


async def test_what_changes_counts_as_it_is(store: Store) -> None:
    left = []
    for size in (10, 5000, 10):
        await store.responses.save(replace(response("r"), body={"x": "x" * size}), [], [item("a", text="x" * size)])
        left.append(await store.quota.left("ann"))
    assert left[0] - left[1] == 2 * 4990
    assert left[2] == left[0]


async def test_what_is_purged_no_longer_counts(folder: Path) -> None:
    async with opened(folder, retention_s=0) as store:
        await store.responses.save(response("r", created=1), [item("a", created=1)], [])
        await store.purge()
        assert await store.quota.left("ann") == QUOTA


async def test_conversations_take_what_there_is_room_for(store: Store) -> None:
    large = item("a", text="x" * QUOTA)
    with pytest.raises(QuotaExceeded, match="; 1000000 are allowed"):
        await store.conversations.create(conversation("c"), [large])
    await store.conversations.create(conversation("c"), [])
    with pytest.raises(QuotaExceeded):
        await store.conversations.append("c", "ann", [large])
    assert await store.conversations.all_items("c", "ann") == []
    await store.conversations.append("c", "ann", [large], admitted=True)  # the end of a turn that was let in
    with pytest.raises(QuotaExceeded):
        await store.quota.admit("ann", 1)


async def test_large_readings_are_refused_before_they_begin(folder: Path) -> None:
    async with opened(folder, read=100_000) as store:
        items = [item(id, text="x" * 30_000) for id in "abcd"]
        await store.conversations.create(conversation("c"), items[:3])
        await store.responses.save(response("r1"), items[:1], items[1:2])
        await store.responses.save(response("r2", previous="r1"), items[2:3], [])
        assert await store.conversations.all_items("c", "ann") == items[:3]
        assert await store.responses.history("r2", "ann") == items[:3]
        assert len(await store.responses.items("abc", "ann")) == 3
        await store.conversations.append("c", "ann", items[3:])
        await store.responses.save(response("r3", previous="r2"), [], items[3:])
        for reading in (
            store.conversations.all_items("c", "ann"),
            store.responses.history("r3", "ann"),
            store.responses.items("abcd", "ann"),
        ):
            with pytest.raises(TooLarge, match="bytes; at most 100000 are read for one answer"):
                await reading


async def test_a_page_of_large_items_ends_early(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE_BYTES", 25_000)
    await store.conversations.create(conversation("c"), [item(id, text="x" * 10_000) for id in "abcd"])
    await store.conversations.append("c", "ann", [item("large", text="x" * 30_000)])
    pages, after = [], None
    while True:
        found = await store.conversations.items("c", "ann", Page(3, after, "asc"))
        pages.append([each.id for each in found.data])
        after = found.data[-1].id
        if not found.has_more:
            break
    assert pages == [["a", "b"], ["c", "d"], ["large"]]
