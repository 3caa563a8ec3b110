from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from insitu.errors import NotFound, QuotaExceeded, TooLarge
from insitu.store import Page, Store
from tests.store.examples import LIMIT, NOW, QUOTA, add, blobs, chunks, container, container_file, content

PAGE = Page(10, None, "asc")


@pytest.fixture
async def store(store: Store) -> Store:
    """A store that has the container "c"."""
    await store.containers.save(container("c"))
    return store


async def keep(store: Store, id: str, *pieces: bytes, max_bytes: int = LIMIT) -> bytes:
    """Keep a file's content, and read it."""
    file = await store.containers.keep("c", id, "ann", chunks(*pieces), max_bytes)
    assert file == await store.containers.file("c", id, "ann")
    return await content(await store.containers.open(file))


async def test_a_container_comes_back_as_it_was_saved(store: Store) -> None:
    assert await store.containers.get("c", "ann") == container("c")
    changed = replace(container("c"), status="expired", memory_bytes=1 << 36, file_ids=(), last_active=NOW + 0.125)
    await store.containers.save(changed)
    assert await store.containers.get("c", "ann") == changed


async def test_saving_again_leaves_the_files_alone(store: Store) -> None:
    await store.containers.put_file(container_file("f"))
    await keep(store, "f", b"kept")
    await store.containers.save(replace(container("c"), status="expired"))
    assert await content(await store.containers.open(await store.containers.file("c", "f", "ann"))) == b"kept"


async def test_containers_are_listed_by_name(store: Store) -> None:
    await store.containers.save(container("d", name="other"))
    await store.containers.save(container("e", name="box"))
    listed = await store.containers.list("ann", PAGE, "box")
    assert [record.id for record in listed.data] == ["c", "e"]
    assert [record.id for record in (await store.containers.list("ann", PAGE)).data] == ["c", "d", "e"]


async def test_a_file_of_the_same_path_keeps_its_id(store: Store) -> None:
    first = container_file("f1", path="a/b.csv", size=3)
    assert await store.containers.put_file(first) == first
    again = replace(container_file("f2", path="a/b.csv", size=5, created=NOW + 9), source="user")
    stored = replace(again, id="f1", created=NOW)
    assert await store.containers.put_file(again) == stored
    assert (await store.containers.files("c", "ann", PAGE)).data == [stored]
    assert await store.containers.files_at("c", "ann", ["a/b.csv", "b"]) == {"a/b.csv": stored}


async def test_a_path_without_a_file_has_none(store: Store) -> None:
    assert await store.containers.files_at("c", "ann", ["a"]) == {}
    with pytest.raises(NotFound, match=r"^there is no container 'd'\n"):
        await store.containers.files_at("d", "ann", ["a"])


async def test_a_file_needs_its_container(store: Store) -> None:
    with pytest.raises(NotFound, match=r"^there is no container 'd'\n"):
        await store.containers.put_file(replace(container_file("f"), container_id="d"))
    await store.containers.save(container("d"))
    await store.containers.put_file(container_file("f"))
    with pytest.raises(NotFound, match=r"^there is no container file 'f'\n"):
        await store.containers.file("d", "f", "ann")
    assert await store.containers.find_file("f", "ann") == container_file("f")


async def test_what_is_kept_is_replaced_by_what_is_kept_later(store: Store, folder: Path) -> None:
    await store.containers.put_file(container_file("f", size=99))
    with pytest.raises(NotFound, match="content of this file is gone"):
        await store.containers.open(await store.containers.file("c", "f", "ann"))
    assert await keep(store, "f", b"first") == b"first"
    assert (await store.containers.file("c", "f", "ann")).size == 5
    assert await keep(store, "f", b"se", b"", b"cond") == b"second"
    assert await keep(store, "f") == b""
    assert len(blobs(folder)) == 1


async def test_content_that_is_not_the_files_any_more_goes(store: Store, folder: Path) -> None:
    await store.containers.put_file(container_file("f"))
    await keep(store, "f", b"kept")
    assert (await store.containers.put_file(container_file("f", size=4))).blob is not None
    assert (await store.containers.put_file(container_file("f", size=5))).blob is None
    assert blobs(folder) == []


async def test_only_keeping_sets_the_content(store: Store) -> None:
    await store.containers.put_file(container_file("f"))
    await keep(store, "f", b"mine")
    mine = await store.containers.file("c", "f", "ann")
    await store.containers.put_file(replace(container_file("g", size=4), blob=mine.blob))
    assert (await store.containers.file("c", "g", "ann")).blob is None
    assert (await store.containers.put_file(replace(mine, blob="../../insitu.db"))).blob == mine.blob


async def test_a_refused_content_leaves_the_one_before(store: Store, folder: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionError("the sandbox is gone")

    await store.containers.put_file(container_file("f"))
    await keep(store, "f", b"kept")
    before = await store.containers.file("c", "f", "ann")
    with pytest.raises(TooLarge, match="the file has more than 5 bytes"):
        await keep(store, "f", b"123", b"456", max_bytes=5)
    with pytest.raises(ConnectionError):
        await store.containers.keep("c", "f", "ann", broken(), LIMIT)
    with pytest.raises(NotFound, match=r"^there is no container file 'g'\n"):
        await keep(store, "g", b"x")
    assert await store.containers.file("c", "f", "ann") == before
    assert await content(await store.containers.open(before)) == b"kept"
    assert len(blobs(folder)) == 1


async def test_a_file_that_is_deleted_while_it_is_kept_is_gone(store: Store, folder: Path) -> None:
    async def deleted() -> AsyncIterator[bytes]:
        yield b"x"
        await store.containers.delete_file("c", "f", "ann")

    await store.containers.put_file(container_file("f"))
    with pytest.raises(NotFound, match=r"^there is no container file 'f'\n"):
        await store.containers.keep("c", "f", "ann", deleted(), LIMIT)
    assert blobs(folder) == []


async def test_kept_files_count_against_the_owner(store: Store) -> None:
    await add(store, "file", b"x" * 600_000, max_bytes=QUOTA)
    await store.containers.put_file(container_file("f", size=10**9))  # not kept, so not counted
    await keep(store, "f", b"y" * 300_000, max_bytes=QUOTA)
    with pytest.raises(QuotaExceeded, match="; 1000000 are allowed"):
        await add(store, "more", b"z" * 100_000, max_bytes=QUOTA)
    larger = b"y" * 390_000  # what it replaces makes room
    assert await keep(store, "f", larger, max_bytes=QUOTA) == larger
    with pytest.raises(QuotaExceeded, match="; 1000000 are allowed"):
        await keep(store, "f", b"y" * 400_000, max_bytes=QUOTA)
    await store.containers.delete_file("c", "f", "ann")
    await add(store, "more", b"z" * 390_000, max_bytes=QUOTA)


async def test_an_owner_has_so_many_living_containers(store: Store) -> None:
    for id in "de":  # beside "c"
        await store.containers.add(container(id), 3)
    with pytest.raises(QuotaExceeded, match="you have 3 containers, the most for one key"):
        await store.containers.add(container("f"), 3)
    await store.containers.add(container("f", owner="bob"), 3)
    await store.containers.save(replace(container("e"), status="expired"))
    await store.containers.save(replace(container("d"), last_active=NOW - 1201))
    await store.containers.add(container("f"), 2)
    assert {record.id for record in (await store.containers.list("ann", Page())).data} == set("cdef")


async def test_deleting_a_container_deletes_its_files_and_their_content(store: Store, folder: Path) -> None:
    await store.containers.save(container("d"))
    for file in (container_file("f"), container_file("g"), replace(container_file("h"), container_id="d")):
        await store.containers.put_file(file)
    await keep(store, "f", b"x")
    await store.containers.keep("d", "h", "ann", chunks(b"other"), LIMIT)
    await store.containers.delete("c", "ann")
    assert [record.id for record in (await store.containers.list("ann", PAGE)).data] == ["d"]
    assert await content(await store.containers.open(await store.containers.file("d", "h", "ann"))) == b"other"
    assert len(blobs(folder)) == 1
    await store.containers.save(container("c"))
    assert (await store.containers.files("c", "ann", PAGE)).data == []


async def test_several_files_are_noted_at_once(store: Store, folder: Path) -> None:
    await store.containers.put_file(container_file("f", size=4))
    await keep(store, "f", b"kept")
    many = [container_file(f"g{number}", path=f"p{number}") for number in range(1200)]
    changed = replace(container_file("new", path="f", size=9), created=NOW + 9)
    assert await store.containers.put_files("c", "ann", [changed, *many]) == [
        replace(changed, id="f", created=NOW),
        *many,
    ]
    assert await store.containers.files_of("c", "ann", ["f", "g7", "none"]) == {
        "f": replace(changed, id="f", created=NOW),
        "g7": many[7],
    }
    assert blobs(folder) == []
    with pytest.raises(NotFound):
        await store.containers.put_files("d", "ann", [])


async def test_small_contents_are_kept_at_once(store: Store, folder: Path) -> None:
    await store.containers.put_files("c", "ann", [container_file(id, size=1) for id in "fgh"])
    await keep(store, "f", b"before")
    await store.containers.keep_small("c", "ann", {"f": b"after", "g": b"", "none": b"x", "h": b"y" * QUOTA})
    found = await store.containers.files_of("c", "ann", "fgh")
    assert [(file.size, file.blob is None) for file in found.values()] == [(5, False), (0, False), (1, True)]
    assert await content(await store.containers.open(found["f"])) == b"after"
    assert len(blobs(folder)) == 2
    await store.containers.keep_small("c", "bob", {"f": b"bob's"})
    assert await store.containers.files_of("c", "ann", "fgh") == found
    await store.containers.delete_files("c", "ann", ["f", "h", "none"])
    assert set(await store.containers.files_of("c", "ann", "fgh")) == {"g"}
    assert len(blobs(folder)) == 1
