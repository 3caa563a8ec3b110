from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from insitu.settings import Settings
from tests.support.serving import serving

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """What the module's server is started with."""
    return Settings(
        port=0,
        preimport=(),
        pool_size=2,
        max_timeout_s=60,
        keepalive_s=0.1,
        tools=("tests.tools.operators",),
        data_dir=tmp_path_factory.mktemp("data"),
    )


@pytest.fixture(scope="module")
def url(settings: Settings) -> Iterator[str]:
    with serving(settings) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=50) as made:
        yield made


@pytest.fixture(scope="module")
def run(client: httpx2.Client) -> Run:
    """Runs code that may call these tools, by default all."""

    def execute(code: str, *tools: str, **fields: Any) -> dict[str, Any]:
        answer = client.post("/v1/execute", json={"code": code, "tools": tools or ["*"], **fields})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    return execute
