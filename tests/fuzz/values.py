"""Values that no honest program sends, and JSON that has them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 5
    for _ in range(depth):
        value = [value]
    return value


ODD: SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        "",
        "\0",
        "\ud800",
        "a/../b",
        "x" * 70_000,
        "é" * 300,
        -1,
        1 << 63,
        1 << 64,
        10**400,
        -(10**400),
        1e308,
        float("inf"),
        float("-inf"),
        float("nan"),
        [],
        {},
        [[]],
        {"": {}},
        nested(50),
        nested(199),
        nested(250),
        nested(900),
        [[]] * 5000,
    ]
)
ANY: SearchStrategy[Any] = ODD | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def like(**members: SearchStrategy[Any]) -> SearchStrategy[dict[str, Any]]:
    """Objects with some of these members, each as it should be or not."""
    return st.fixed_dictionaries({}, optional={name: wanted | ANY for name, wanted in members.items()})


def encoded(value: Any) -> bytes:
    """JSON of a value, and of what is none."""
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return b"[" * 100_000
