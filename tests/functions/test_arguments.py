"""The arguments of a map's calls: as each by itself would have them, and what they share only once."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from insitu.engine.calling import MOST_BYTES
from insitu.errors import InvalidRequest, TooLarge
from insitu.functions.arguments import arguments, spread


@pytest.mark.parametrize("args", [[], [7, "é"]])
@pytest.mark.parametrize("kwargs", [{}, {"a": 1, "b": [2]}])
def test_an_input_comes_before_what_all_share(args: list[Any], kwargs: dict[str, Any]) -> None:
    items = [1, [], [2, 3], {}, {"a": 5, "c": None}, 'a "text"']
    made = spread(items, args, kwargs, star=False)
    assert [made[index] for index in range(len(made))] == [arguments([item, *args], kwargs) for item in items]


@pytest.mark.parametrize("args", [[], [7, "é"]])
@pytest.mark.parametrize("kwargs", [{}, {"a": 1, "b": [2]}])
def test_with_star_an_input_is_all_arguments(args: list[Any], kwargs: dict[str, Any]) -> None:
    items: list[Any] = [[], [2, 3], {}, {"c": 4}, {"a": 5, "c": None}]
    expected = [
        {"args": [*item, *args], "kwargs": kwargs}
        if isinstance(item, list)
        else {"args": args, "kwargs": {**kwargs, **item}}
        for item in items
    ]
    made = spread(items, args, kwargs, star=True)
    assert [json.loads(made[index]) for index in range(len(made))] == expected
    assert [made.size(index) for index in range(len(made))] == [len(made[index]) for index in range(len(made))]


def test_one_call_has_so_many_bytes_at_the_most() -> None:
    room = MOST_BYTES - len(arguments(["", "shared"], {"a": 1}))
    made = spread(["x" * room], ["shared"], {"a": 1}, star=False)
    assert len(made[0]) == made.size(0) == MOST_BYTES
    said = rf"^map\.1: the arguments of this call have {MOST_BYTES + 1} bytes; {MOST_BYTES} is the most"
    with pytest.raises(TooLarge, match=said):
        spread(["", "x" * (room + 1)], ["shared"], {"a": 1}, star=False)


@pytest.mark.parametrize("star", [False, True])
def test_what_is_no_json_is_refused(star: bool) -> None:
    nan = float("nan")
    cases: list[tuple[list[Any], list[Any], dict[str, Any]]]
    cases = [([[1], [nan]], [], {}), ([[1]], [nan], {}), ([[1]], [], {"a": nan})]
    for items, args, kwargs in cases:
        with pytest.raises(InvalidRequest, match="an argument holds NaN or Infinity"):
            spread(items, args, kwargs, star)


@pytest.mark.parametrize("star", [False, True])
def test_what_all_calls_share_is_held_once(star: bool) -> None:
    args, kwargs, items = ["a" * 10**6], {"b": "b" * 10**6}, [[index] for index in range(1000)]
    tracemalloc.start()
    try:
        made = spread(items, args, kwargs, star)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(map(made.size, range(1000))) > 2 * 10**9
    assert peak < 16 << 20
