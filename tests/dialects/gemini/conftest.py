from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from google import genai
from google.genai import types

from tests.dialects.conftest import KEYS

Connect = Callable[..., genai.Client]


@pytest.fixture(scope="package")
def connect_genai() -> Iterator[Connect]:
    """Makes Google's clients; the first key is the default."""
    with ExitStack() as stack:

        def make(url: str, key: str = KEYS[0], attempts: int = 1) -> genai.Client:
            again = types.HttpRetryOptions(attempts=attempts, initial_delay=0.01, max_delay=0.01)
            client = genai.Client(
                api_key=key, http_options=types.HttpOptions(base_url=url, retry_options=again if attempts > 1 else None)
            )
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture(scope="package")
def gemini(url: str, connect_genai: Connect) -> genai.Client:
    """The shared server's first owner."""
    return connect_genai(url)
