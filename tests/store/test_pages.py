from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from insitu.errors import NotFound
from insitu.store import Listing, Page, Store, new_id
from tests.store.examples import add, container, container_file, conversation, item

Order = Literal["asc", "desc"]
Read = Callable[[Page], Awaitable[Listing[Any]]]

# Few different times, so that many records share one.
times = some.lists(some.sampled_from([1.0, 1.5, 2.0]), max_size=12)
limits = some.integers(1, 13)
orders = some.sampled_from(["asc", "desc"])
# The store is shared; each example has an owner of its own.
examples = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def walk(read: Read, limit: int, order: Order) -> list[list[str]]:
    """The ids on every page."""
    found: list[list[str]] = []
    after = None
    while True:
        listing = await read(Page(limit, after, order))
        found.append([record.id for record in listing.data])
        if not listing.has_more:
            return found
        after = found[-1][-1]


def expected(created: list[float], limit: int, order: Order) -> list[list[str]]:
    """The ids on every page: by time, and those of the same time as they came."""
    ids = [f"{number}" for number, _ in sorted(enumerate(created), key=lambda pair: pair[1])]
    if order == "desc":
        ids.reverse()
    return [ids[start : start + limit] for start in range(0, len(ids), limit)] or [[]]


@examples
@given(times, limits, orders)
async def test_pages_of_containers_hold_each_once_in_order(
    store: Store, created: list[float], limit: int, order: Order
) -> None:
    owner = new_id("")
    for number, time in enumerate(created):
        await store.containers.save(container(f"{number}", owner=owner, created=time))
        await store.containers.save(container(f"{number}", owner="other", created=time))
    pages = await walk(lambda page: store.containers.list(owner, page), limit, order)
    assert pages == expected(created, limit, order)


@examples
@given(times, limits, orders)
async def test_pages_of_container_files_hold_each_once_in_order(
    store: Store, created: list[float], limit: int, order: Order
) -> None:
    owner = new_id("")
    await store.containers.save(container("c", owner=owner))
    await store.containers.save(container("d", owner=owner))
    for number, time in enumerate(created):
        file = container_file(f"{number}", owner=owner, created=time)
        await store.containers.put_file(file)
        await store.containers.put_file(replace(file, id=f"d{number}", container_id="d"))
    pages = await walk(lambda page: store.containers.files("c", owner, page), limit, order)
    assert pages == expected(created, limit, order)


@examples
@given(some.integers(0, 12), limits, orders)
async def test_pages_of_items_hold_each_once_in_the_order_of_the_conversation(
    store: Store, count: int, limit: int, order: Order
) -> None:
    owner = new_id("")
    await store.conversations.create(conversation("conv", owner=owner), [])
    for number in range(count):
        added = item(f"{number}", owner=owner, created=-number)
        await store.conversations.append("conv", owner, [added])
    pages = await walk(lambda page: store.conversations.items("conv", owner, page), limit, order)
    assert pages == expected([0.0] * count, limit, order)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_record_that_comes_between_two_pages_moves_none(store: Store, order: Order) -> None:
    for number in range(4):
        await store.containers.save(container(f"{number}", created=number))
    first = await store.containers.list("ann", Page(2, None, order))
    await store.containers.save(container("new", created=9))
    await store.containers.delete("0", "ann")
    second = await store.containers.list("ann", Page(9, first.data[-1].id, order))
    assert [record.id for record in second.data] == (["2", "3", "new"] if order == "asc" else ["1"])


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_page_behind_nothing_is_not_found(store: Store, order: Order) -> None:
    await store.containers.save(container("c"))
    await add(store, "file", b"")
    reads: dict[str, Read] = {
        "container": lambda page: store.containers.list("ann", page),
        "container file": lambda page: store.containers.files("c", "ann", page),
        "file": lambda page: store.files.list("ann", page),
    }
    for name, read in reads.items():
        with pytest.raises(NotFound, match=f"^there is no {name} 'none'\n"):
            await read(Page(5, "none", order))
