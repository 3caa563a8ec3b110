"""The source of a function, cut out of where it stands."""

from __future__ import annotations

import functools
import math
import os.path
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from insitu.errors import InvalidRequest
from insitu.sources import source_of

CONSTANT = 5


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return function(*args)

    return call


@logged
def factorial(n: int) -> int:
    return 1 if n < 2 else n * int(factorial(n - 1))


class Shapes:
    @staticmethod
    def root(x: float) -> float:
        # An indented function with a comment
        return float(np.sqrt(x)) + math.floor(x)


PAIR = [lambda x: x + 1, lambda x: x + 2]
NESTED = lambda x: (lambda y: y)(x)  # noqa: E731 - how it is cut out is what is tested
BROKEN = functools.partial(
    max,
    key=lambda x: x
    + 1,
)  # fmt: skip


def value(function: Callable[..., Any], *args: Any) -> Any:
    """What the source gives, where nothing else is."""
    text = source_of(function)
    if function.__name__ == "<lambda>":
        *before, last = text.split("\n", 1) if text.startswith(("import ", "from ")) else [text]
        names: dict[str, Any] = {}
        exec("".join(before), names)
        return eval(last, names)(*args)
    names = {}
    exec(text, names)
    return names[function.__name__](*args)


def test_lambdas_are_cut_out_of_their_lines() -> None:
    assert [source_of(function) for function in PAIR] == ["lambda x: x + 1", "lambda x: x + 2"]
    assert source_of(NESTED) == "lambda x: (lambda y: y)(x)"
    assert source_of(lambda: 3) == "lambda: 3"
    assert value(BROKEN.keywords["key"], 2) == 3


def test_definitions_come_without_decorators_and_with_their_imports() -> None:
    assert value(factorial, 5) == 120
    assert source_of(Shapes.root).splitlines() == [
        "from __future__ import annotations; import math; import numpy as np",
        "def root(x: float) -> float:",
        "    # An indented function with a comment",
        "    return float(np.sqrt(x)) + math.floor(x)",
    ]
    assert value(Shapes.root, 16) == 20
    assert value(lambda: os.path.basename("a/b")) == "b"
    assert value(lambda day: datetime(2024, 1, day) + timedelta(1), 1) == datetime(2024, 1, 2)


def test_text_stays_as_it_is() -> None:
    assert source_of(" lambda: 1") == " lambda: 1"


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: CONSTANT, "<lambda> uses CONSTANT from around it, and only its own source crosses"),
        (lambda: [logged(factorial) for _ in range(1)], "<lambda> uses factorial, logged from around it, and only"),
        (len, "<built-in function len> has no source that could be sent"),
        (Shapes, "has no source that could be sent"),
        (5, "5 has no source that could be sent"),
        (eval("lambda: 1"), "the source of <lambda> cannot be found"),
    ],
)
def test_what_cannot_be_sent_is_refused(function: Any, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        source_of(function)
    assert said in str(refused.value)


def test_what_holds_its_surroundings_is_refused() -> None:
    around = 1
    with pytest.raises(InvalidRequest, match="uses around from around it"):
        source_of(lambda: around)
