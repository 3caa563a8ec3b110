from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

import insitu
from tests.support.serving import serving

KEY = "the-key-of-the-tests"
# Importing pandas ahead would only make the tests slower.
SMALL = insitu.Settings(port=0, preimport=(), pool_size=2, api_keys=(KEY, "another-key"), keepalive_s=0.05)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(SMALL.model_copy(update={"data_dir": tmp_path_factory.mktemp("data")})) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[insitu.Client]:
    with insitu.Client(url, KEY) as made:
        yield made


@pytest.fixture(scope="module", params=["client", "local"])
def session(request: pytest.FixtureRequest) -> Iterator[insitu.ClientSession | insitu.Sandbox]:
    """The same methods over HTTP and in this process: what holds for one must hold for the other."""
    if request.param == "client":
        with request.getfixturevalue("client").session(disk_bytes=8 << 20) as over_http:
            yield over_http
    else:
        with insitu.Sandbox(settings=SMALL, disk_bytes=8 << 20) as here:
            yield here


@pytest.fixture(scope="module", params=["client", "local"])
async def async_session(
    request: pytest.FixtureRequest, anyio_backend: str
) -> AsyncIterator[insitu.AsyncClientSession | insitu.AsyncSandbox]:
    """The same, from an event loop."""
    if request.param == "local":
        async with insitu.AsyncSandbox(settings=SMALL) as here:
            yield here
        return
    async with insitu.AsyncClient(request.getfixturevalue("url"), KEY) as client:
        async with client.session() as over_http:
            yield over_http
