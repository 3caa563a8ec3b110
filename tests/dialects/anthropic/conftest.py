from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from anthropic import Anthropic, AsyncAnthropic

from tests.dialects.conftest import KEYS


@pytest.fixture(scope="package")
def connect_anthropic() -> Iterator[Callable[..., Anthropic]]:
    """Makes Anthropic's clients; the first key is the default."""
    with ExitStack() as stack:

        def make(url: str, key: str = KEYS[0], **options: Any) -> Anthropic:
            return stack.enter_context(Anthropic(base_url=url, **{"api_key": key, "max_retries": 0, **options}))

        yield make


@pytest.fixture(scope="package")
def anthropic_client(url: str, connect_anthropic: Callable[..., Anthropic]) -> Anthropic:
    """The shared server's first owner."""
    return connect_anthropic(url)


@pytest.fixture(scope="package")
def anthropic_stranger(url: str, connect_anthropic: Callable[..., Anthropic]) -> Anthropic:
    """The shared server's other owner."""
    return connect_anthropic(url, KEYS[1])


@pytest.fixture
async def async_anthropic(url: str) -> AsyncIterator[AsyncAnthropic]:
    """The first owner, on an event loop."""
    async with AsyncAnthropic(base_url=url, api_key=KEYS[0], max_retries=0) as made:
        yield made
