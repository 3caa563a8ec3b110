from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.dialects.conftest import KEYS
from tests.support.lambdas import Aws, connected

_NUMBERS = count(1)


@pytest.fixture(scope="package")
def aws(url: str) -> Iterator[Aws]:
    """The shared server's first owner."""
    with connected(url, KEYS[0]) as made:
        yield made


@pytest.fixture(scope="package")
def stranger(url: str) -> Iterator[Aws]:
    """The shared server's other owner."""
    with connected(url, KEYS[1]) as made:
        yield made


@pytest.fixture
def name() -> str:
    """The name of a function that is not there yet."""
    return f"function-{next(_NUMBERS)}"
