"""Properties that are tried some times; and with FUZZ_SECONDS in the environment, again and again for so long."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis.strategies import SearchStrategy

Test = TypeVar("Test", bound=Callable[..., Any])

# Wall time of all properties together; each gets its part of it.
SECONDS = float(os.environ.get("FUZZ_SECONDS") or 0)
# The names of all properties; and how many of them are to be tried, which is told when they have been collected.
known: set[str] = set()
properties = 1


def fuzzed(examples: int, **strategies: SearchStrategy[Any]) -> Callable[[Test], Test]:
    """A test of a property.

    Args:
        examples: how many are tried at once; with FUZZ_SECONDS others follow them until the time is over.
        strategies: what makes the arguments of the test, beside its fixtures.
    """

    def decorate(test: Test) -> Test:
        known.add(test.__name__)
        tried: Callable[..., None] = within(examples)(given(**strategies)(test))

        @functools.wraps(tried)
        def repeated(**arguments: Any) -> None:
            repeat(functools.partial(tried, **arguments))

        return cast("Test", repeated)

    return decorate


def within(examples: int) -> settings:
    """The settings of a property: an example may take its time, and each is another one."""
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink what takes its time takes hours
        verbosity=Verbosity.normal,
        print_blob=True,
    )


def repeat(tried: Callable[[], None]) -> None:
    """Try a property once, and until its part of the time is over."""
    deadline = time.monotonic() + SECONDS / properties
    tried()
    while time.monotonic() < deadline:
        tried()
