from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from insitu.settings import Settings
from tests.support.serving import serving

Session = dict[str, Any]
Event = tuple[int, str, dict[str, Any]]


@pytest.fixture(scope="module")
def settings() -> Settings:
    """What the module's server is started with; importing pandas ahead would only make the tests slower."""
    return Settings(port=0, preimport=(), pool_size=2, keepalive_s=0.1, max_timeout_s=60)


@pytest.fixture(scope="module")
def unread_s() -> float:
    """Seconds after which a client that does not read is cut off."""
    return 60


@pytest.fixture(scope="module")
def url(settings: Settings, unread_s: float, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    own = settings.model_copy(update={"data_dir": tmp_path_factory.mktemp("data")})
    with serving(own, unread_s) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=50) as made:
        yield made


@pytest.fixture
def session(client: httpx2.Client) -> Iterator[str]:
    """The path of a new session."""
    path = f"/v1/sessions/{client.post('/v1/sessions', json={}).json()['id']}"
    yield path
    client.delete(path)


@pytest.fixture(scope="module")
def raw(url: str) -> Callable[..., tuple[int, dict[str, str], bytes]]:
    """Sends exactly these bytes, and reads one whole answer to them."""

    def send(data: bytes) -> tuple[int, dict[str, str], bytes]:
        address = httpx2.URL(url)
        with socket.create_connection((address.host, address.port or 0), timeout=50) as connection:
            connection.sendall(data)
            stream = connection.makefile("rb")
            status = int(stream.readline().split()[1])
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode("latin-1").partition(":")
                headers[name] = value.strip()
            return status, headers, stream.read(int(headers.get("content-length", 0)))

    return send


@pytest.fixture(scope="module")
def events(client: httpx2.Client) -> Callable[..., Iterator[Event]]:
    """Runs code as a stream, and yields its events: id, kind and data."""

    def stream(path: str, code: str, **fields: Any) -> Iterator[Event]:
        body = {"code": code, "stream": True, **fields}
        with client.stream("POST", path, json=body) as response:
            response.raise_for_status()
            block: dict[str, str] = {}
            for line in response.iter_lines():
                name, colon, value = line.partition(": ")
                if name and colon:
                    block[name] = value
                elif not line and "data" in block:
                    yield int(block.get("id", -1)), block["event"], json.loads(block["data"])
                    block = {}

    return stream


@pytest.fixture(scope="module")
def gauge(client: httpx2.Client) -> Callable[[str], float]:
    """One number of /metrics."""

    def read(name: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), 0.0)

    return read
