from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, OpenAI

from insitu.settings import Settings
from tests.support.model import ScriptedModel
from tests.support.serving import serving

# Owners, one as good as the other.
KEYS = ("one", "two")
HEADERS = {"authorization": f"Bearer {KEYS[0]}"}


@pytest.fixture(scope="package")
def settings(the_model: ScriptedModel, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """Makes settings of a server; importing packages ahead would only make the tests slower."""

    def make(**others: Any) -> Settings:
        own = {"upstream": the_model.url, "api_keys": KEYS, "data_dir": tmp_path_factory.mktemp("data")}
        return Settings(**{"port": 0, "preimport": (), "pool_size": 2, "keepalive_s": 0.2, **own, **others})

    return make


@pytest.fixture(scope="package")
def url(settings: Callable[..., Settings]) -> Iterator[str]:
    """The server that most tests share."""
    with serving(settings()) as address:
        yield address


@pytest.fixture
def serve(settings: Callable[..., Settings]) -> Iterator[Callable[..., str]]:
    """Starts servers with settings of their own, and ends them with the test."""
    with ExitStack() as stack:
        yield lambda **others: stack.enter_context(serving(settings(**others)))


@pytest.fixture(scope="package")
def connect() -> Iterator[Callable[..., OpenAI]]:
    """Makes OpenAI's clients; the first key is the default."""
    with ExitStack() as stack:

        def make(url: str, key: str = KEYS[0], **options: Any) -> OpenAI:
            return stack.enter_context(OpenAI(base_url=f"{url}/v1", api_key=key, **{"max_retries": 0, **options}))

        yield make


@pytest.fixture(scope="package")
def client(url: str, connect: Callable[..., OpenAI]) -> OpenAI:
    """The shared server's first owner."""
    return connect(url)


@pytest.fixture(scope="package")
def stranger(url: str, connect: Callable[..., OpenAI]) -> OpenAI:
    """The shared server's other owner."""
    return connect(url, KEYS[1])


@pytest.fixture
async def async_client(url: str) -> AsyncIterator[AsyncOpenAI]:
    """The first owner, on an event loop."""
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=KEYS[0], max_retries=0) as made:
        yield made


@pytest.fixture
def http(url: str) -> Iterator[httpx2.Client]:
    """The first owner without OpenAI's client, for requests that it would not send."""
    with httpx2.Client(base_url=url, headers=HEADERS, timeout=50) as made:
        yield made


@pytest.fixture
async def async_http(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The same, on an event loop."""
    async with httpx2.AsyncClient(base_url=url, headers=HEADERS, timeout=50) as made:
        yield made
