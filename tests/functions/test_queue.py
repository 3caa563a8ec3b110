from __future__ import annotations

import pytest

from insitu.functions import Invocation
from insitu.functions.queue import Queue, Waiting


def waiting(name: str, owner: str = "ann", function: str = "f", revision: str = "rev") -> Waiting:
    """An invocation of this name."""
    return Waiting(owner, Invocation(name, function, 1, "queued", created=0.0), revision, 1)


def filled(*added: Waiting, places: int = 100, places_of_one: int = 100) -> Queue:
    """A queue in which these wait, in this order."""
    queue = Queue(places, places_of_one)
    for each in added:
        queue.add(each)
    return queue


def take(queue: Queue, *, full: str = "") -> str | None:
    """The name of the next that runs; None if none can."""
    taken = queue.take(lambda owner: True, lambda each: each.invocation.function != full)
    return taken.invocation.id if taken else None


def take_all(queue: Queue) -> list[str]:
    """The names of all that can run, in their turns."""
    return list(iter(lambda: take(queue), None))


def test_an_owners_come_in_the_order_of_their_acceptance() -> None:
    first, second, third = waiting("1"), waiting("2", function="g", revision="other"), waiting("3")
    queue = filled(second, first, third)
    assert take_all(queue) == ["1", "2", "3"]
    queue.put_back(second)
    queue.add(waiting("4"))
    queue.put_back(first)
    assert take_all(queue) == ["1", "2", "4"]


def test_what_waits_for_a_place_of_its_function_holds_up_no_other_function() -> None:
    queue = filled(waiting("1"), waiting("2"), waiting("3", function="g", revision="other"))
    assert [take(queue, full="f"), take(queue, full="f"), take(queue)] == ["3", None, "1"]


def test_owners_take_turns() -> None:
    queue = filled(*(waiting(f"{owner}{number}", owner) for owner in ("ann", "bob", "eve") for number in range(3)))
    assert take_all(queue) == ["ann0", "bob0", "eve0", "ann1", "bob1", "eve1", "ann2", "bob2", "eve2"]


def test_an_owner_that_may_not_run_holds_up_nobody_else() -> None:
    queue = filled(waiting("1"), waiting("2", "bob"))
    taken = queue.take(lambda owner: owner != "ann", lambda _: True)
    assert taken is not None
    assert taken.invocation.id == "2"


@pytest.mark.parametrize(
    ("places", "places_of_one", "running"),
    [(8, 100, {"ann": 4}), (8, 3, {"ann": 3}), (1, 1, {"ann": 1}), (2, 100, {"ann": 1})],
)
def test_an_owner_has_half_of_the_places_at_the_most(places: int, places_of_one: int, running: dict[str, int]) -> None:
    queue = filled(*(waiting(str(number)) for number in range(20)), places=places, places_of_one=places_of_one)
    assert len(take_all(queue)) == running["ann"]


def test_there_is_a_place_for_whoever_comes_next_until_all_are_taken() -> None:
    queue = filled(*(waiting(str(number)) for number in range(20)), places=8)
    assert len(take_all(queue)) == 4
    shares = []
    for owner in ("bob", "eve", "joe", "kim"):
        for number in range(20):
            queue.add(waiting(str(number), owner))
        shares.append(len(take_all(queue)))
    assert shares == [2, 1, 1, 0]
    queue.leave("ann")
    assert len(take_all(queue)) == 1


def test_a_place_that_was_given_back_is_taken_again() -> None:
    queue = filled(waiting("1"), waiting("2"), places=1)
    assert take_all(queue) == ["1"]
    queue.leave("ann")
    assert take_all(queue) == ["2"]


def test_what_is_dropped_waits_no_more() -> None:
    queue = filled(waiting("1"), waiting("2", revision="gone"), waiting("3", "bob", revision="gone"), waiting("4"))
    assert {each.invocation.id for each in queue.drop(["gone", "never"])} == {"2", "3"}
    assert queue.drop(["gone"]) == []
    assert take_all(queue) == ["1", "4"]
