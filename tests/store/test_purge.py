from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from insitu.store import Page, Store
from tests.store.examples import (
    NOW,
    add,
    blobs,
    chunks,
    container,
    container_file,
    conversation,
    item,
    opened,
    response,
)

PAGE = Page(100, None, "asc")
OLD = NOW - 7200  # the retention is an hour


async def left(store: Store, *ids: str) -> set[str]:
    """Which of some items are still there."""
    return set(await store.responses.items(ids, "ann"))


async def test_what_is_young_stays(store: Store) -> None:
    await store.responses.save(response("r"), [item("i")], [item("o")])
    await store.responses.put_items([item("hidden")])
    await store.containers.save(container("c"))
    record = await add(store, "f", b"x", expires=time.time() + 60)
    await store.purge()
    assert await store.responses.get("r", "ann") == response("r")
    assert await left(store, "i", "o", "hidden") == {"i", "o", "hidden"}
    assert await store.containers.get("c", "ann") == container("c")
    assert await store.files.get("f", "ann") == record


async def test_old_responses_go_with_their_items(store: Store) -> None:
    await store.responses.save(response("old", created=OLD), [item("q", created=OLD)], [item("a", created=OLD)])
    await store.responses.save(response("young", previous="old"), [item("a", created=OLD)], [])
    await store.responses.put_items([item("hidden", created=OLD)])
    await store.purge()
    assert await store.responses.inputs("young", "ann") == [item("a", created=OLD)]
    assert await left(store, "q", "a", "hidden") == {"a"}


async def test_conversations_and_their_items_stay(store: Store) -> None:
    talked = item("talked", created=OLD)
    await store.responses.save(response("old", created=OLD), [talked, item("q", created=OLD)], [])
    await store.conversations.create(replace(conversation("conv"), created=OLD), [talked])
    await store.purge()
    assert await store.conversations.all_items("conv", "ann") == [talked]
    assert await left(store, "q") == set()


async def test_files_go_when_they_expire(store: Store, folder: Path) -> None:
    await add(store, "past", b"x", expires=time.time())
    await add(store, "lasting", b"y")
    await store.purge()
    assert [record.id for record in (await store.files.list("ann", PAGE)).data] == ["lasting"]
    assert len(blobs(folder)) == 1


async def test_files_go_after_the_retention_whatever_they_were_promised(store: Store, folder: Path) -> None:
    await add(store, "lasting", b"x")
    await add(store, "promised", b"x", expires=time.time() + 3600)
    async with opened(folder, retention_s=-1) as impatient:
        await impatient.purge()
    assert (await store.files.list("ann", PAGE)).data == []
    assert blobs(folder) == []


async def test_idle_containers_go_with_their_files(store: Store, folder: Path) -> None:
    for id, active in (("c", OLD), ("used", NOW)):
        await store.containers.save(replace(container(id, created=OLD), last_active=active))
        await store.containers.put_file(replace(container_file(f"f-{id}"), container_id=id))
        await store.containers.keep(id, f"f-{id}", "ann", chunks(b"x"), 10)
    await store.purge()
    assert [record.id for record in (await store.containers.list("ann", PAGE)).data] == ["used"]
    assert len(blobs(folder)) == 1


async def test_more_than_one_batch_is_purged(store: Store) -> None:
    for number in range(450):
        await store.responses.save(response(f"r{number}", created=OLD), [item(f"i{number}", created=OLD)], [])
    await store.responses.save(response("last"), [], [])
    await store.purge()
    assert await left(store, *(f"i{number}" for number in range(450))) == set()
    assert await store.responses.get("last", "ann") == response("last")


async def test_the_same_id_of_another_owner_stays(store: Store) -> None:
    await store.responses.save(response("r", created=OLD), [item("i", created=OLD)], [])
    await store.responses.save(response("r", owner="bob"), [item("i", owner="bob", created=OLD)], [])
    await store.purge()
    assert await store.responses.inputs("r", "bob") == [item("i", owner="bob", created=OLD)]
    assert await left(store, "i") == set()
