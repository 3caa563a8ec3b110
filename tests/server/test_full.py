"""A server with no room says so, and when to come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from insitu.settings import Settings

KEYS = ("one", "two", "three")


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(
        port=0,
        preimport=(),
        pool_size=0,
        api_keys=KEYS,
        max_executions=1,
        queue_size=1,
        max_sessions=2,
        max_sessions_per_owner=1,
    )


@pytest.fixture(scope="module")
def clients(url: str) -> Iterator[list[httpx2.Client]]:
    made = [httpx2.Client(base_url=url, headers={"x-api-key": key}, timeout=50) for key in KEYS]
    yield made
    for client in made:
        client.close()


@pytest.fixture(scope="module")
def client(clients: list[httpx2.Client]) -> httpx2.Client:
    return clients[0]


def test_past_the_queue_executions_are_refused(
    client: httpx2.Client,
    clients: list[httpx2.Client],
    session: str,
    events: Callable[..., Iterator[tuple[int, str, dict[str, Any]]]],
    gauge: Callable[[str], float],
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    code = "print('up', flush=True)\nimport time\nwhile True: time.sleep(0.01)"
    running = events(f"{session}/execute", code)
    assert any(kind == "stdout" for _, kind, _ in running)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(clients[1].post, "/v1/execute", json={"code": "'waited'"})
        eventually(lambda: gauge("insitu_executions") == 2)
        for stream in (False, True):
            answer = clients[2].post("/v1/execute", json={"code": "1", "stream": stream})
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["type"] == "server_error"
            assert answer.json()["error"]["code"] == "server_full"
        client.post(f"{session}/interrupt")
        list(running)
        assert waiting.result().json()["results"][0]["data"]["text/plain"] == "'waited'"
    assert clients[2].post("/v1/execute", json={"code": "1"}).json()["outcome"] == "ok"


def test_past_the_own_share_sessions_are_refused(clients: list[httpx2.Client]) -> None:
    made = [client.post("/v1/sessions") for client in clients[:2]]
    assert [answer.status_code for answer in made] == [201, 201]
    own = clients[0].post("/v1/sessions")
    assert (own.status_code, own.json()["error"]["code"]) == (429, "quota_exceeded")
    assert own.json()["error"]["type"] == "rate_limit_error"
    assert int(own.headers["retry-after"]) >= 1
    full = clients[2].post("/v1/sessions")
    assert (full.status_code, full.json()["error"]["code"]) == (503, "server_full")
    assert int(full.headers["retry-after"]) >= 1
    for client, answer in zip(clients, made, strict=False):
        assert client.delete(answer.headers["location"]).status_code == 204
    assert clients[2].delete(clients[2].post("/v1/sessions").headers["location"]).status_code == 204
