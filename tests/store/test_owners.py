"""Another owner's things are not there, and nobody can take them by naming them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from insitu.errors import NotFound
from insitu.store import Page, Store
from tests.store.examples import add, chunks, container, container_file, content, conversation, item, response

Lookup = Callable[[Store, str], Awaitable[object]]

PAGE = Page(10, None, "asc")
LOOKUPS: dict[str, Lookup] = {
    "response": lambda store, owner: store.responses.get("r", owner),
    "response's inputs": lambda store, owner: store.responses.inputs("r", owner),
    "response's outputs": lambda store, owner: store.responses.outputs("r", owner),
    "history": lambda store, owner: store.responses.history("r", owner),
    "conversation": lambda store, owner: store.conversations.get("conv", owner),
    "metadata": lambda store, owner: store.conversations.update("conv", owner, {}),
    "append": lambda store, owner: store.conversations.append("conv", owner, []),
    "items": lambda store, owner: store.conversations.items("conv", owner, PAGE),
    "all items": lambda store, owner: store.conversations.all_items("conv", owner),
    "item": lambda store, owner: store.conversations.item("conv", "i", owner),
    "container": lambda store, owner: store.containers.get("c", owner),
    "container's file": lambda store, owner: store.containers.file("c", "f", owner),
    "file of any container": lambda store, owner: store.containers.find_file("f", owner),
    "container's files": lambda store, owner: store.containers.files("c", owner, PAGE),
    "files at paths": lambda store, owner: store.containers.files_at("c", owner, ["f"]),
    "put file": lambda store, owner: store.containers.put_file(container_file("g", owner=owner)),
    "keep": lambda store, owner: store.containers.keep("c", "f", owner, chunks(b"x"), 10),
    "file": lambda store, owner: store.files.get("file", owner),
    "container page": lambda store, owner: store.containers.list(owner, Page(1, "c", "asc")),
    "file page": lambda store, owner: store.files.list(owner, Page(1, "file", "asc")),
    "taking an item out": lambda store, owner: store.conversations.remove("conv", "i", owner),
    "deleting a container's file": lambda store, owner: store.containers.delete_file("c", "f", owner),
    "deleting a container": lambda store, owner: store.containers.delete("c", owner),
    "deleting a file": lambda store, owner: store.files.delete("file", owner),
    "deleting a conversation": lambda store, owner: store.conversations.delete("conv", owner),
    "deleting a response": lambda store, owner: store.responses.delete("r", owner),
}


@pytest.fixture
async def full(store: Store) -> Store:
    """A store in which ann has one of everything."""
    await store.responses.save(response("r"), [item("i")], [])
    await store.conversations.create(conversation("conv"), [item("i")])
    await store.containers.save(container("c"))
    await store.containers.put_file(container_file("f"))
    await add(store, "file", b"x")
    return store


@pytest.mark.parametrize("lookup", LOOKUPS.values(), ids=LOOKUPS)
async def test_only_the_owner_finds_it(full: Store, lookup: Lookup) -> None:
    with pytest.raises(NotFound):
        await lookup(full, "bob")
    await lookup(full, "ann")


async def test_listings_show_only_ones_own(full: Store) -> None:
    assert (await full.files.list("bob", PAGE)).data == []
    assert await full.files.some(["file"], "bob") == []
    assert (await full.containers.list("bob", PAGE)).data == []
    assert await full.responses.items(["i"], "bob") == {}


async def test_the_same_ids_of_another_are_other_things(full: Store) -> None:
    await full.responses.save(response("r", owner="bob"), [item("i", owner="bob", text="bob's")], [])
    await full.conversations.create(conversation("conv", owner="bob"), [])
    await full.containers.save(container("c", owner="bob", name="bob's"))
    await full.containers.put_file(container_file("f", owner="bob", size=3))
    await add(full, "file", b"bob's", owner="bob")
    assert await full.responses.items(["i"], "ann") == {"i": item("i")}
    assert await full.containers.get("c", "ann") == container("c")
    assert (await full.containers.file("c", "f", "ann")).size == 0
    assert await content(await full.files.open(await full.files.get("file", "ann"))) == b"x"
    for lookup in ("deleting a conversation", "deleting a response", "deleting a container", "deleting a file"):
        await LOOKUPS[lookup](full, "bob")
    for lookup in ("conversation", "response", "container", "container's file", "file", "item"):
        await LOOKUPS[lookup](full, "ann")
