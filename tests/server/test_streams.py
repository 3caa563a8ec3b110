"""Server-sent events, and clients that leave or do not read."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

Events = Callable[..., Iterator[tuple[int, str, dict[str, Any]]]]
Eventually = Callable[[Callable[[], bool]], None]
Gauge = Callable[[str], float]

ENDLESS = "print('up', flush=True)\nimport time\nwhile True: time.sleep(0.01)"


def test_events_come_in_order_and_the_last_is_the_whole(client: httpx2.Client, session: str, events: Events) -> None:
    code = "import sys; print('a'); print('b', file=sys.stderr); display(1); 2"
    log = list(events(f"{session}/execute", code))
    assert [seq for seq, _, _ in log] == list(range(len(log)))
    kinds = [kind for _, kind, _ in log]
    assert (kinds[0], kinds[-1]) == ("started", "finished")
    assert set(kinds) == {"started", "stdout", "stderr", "result", "finished"}
    execution = log[-1][2]
    assert "".join(data["text"] for _, kind, data in log if kind == "stdout") == execution["stdout"] == "a\n"
    assert "".join(data["text"] for _, kind, data in log if kind == "stderr") == execution["stderr"] == "b\n"
    assert [data for _, kind, data in log if kind == "result"] == execution["results"]
    plain = client.post(f"{session}/execute", json={"code": code}).json()
    assert set(plain) == set(execution)
    assert [result["main"] for result in execution["results"]] == [False, True]


def test_the_wire_has_one_block_an_event(client: httpx2.Client, session: str) -> None:
    with client.stream("POST", f"{session}/execute", json={"code": "print(1)", "stream": True}) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        blocks = response.read().decode().split("\n\n")
    assert blocks.pop() == ""
    lines = [block.split("\n") for block in blocks if not block.startswith(":")]
    assert [line[0] for line in lines] == [f"id: {n}" for n in range(len(lines))]
    assert lines[0][1] == "event: started"
    assert lines[1][1:] == ["event: stdout", 'data: {"text":"1\\n"}']
    assert all(len(line) == 3 for line in lines)


def test_output_comes_while_the_code_runs(client: httpx2.Client, session: str, events: Events) -> None:
    code = """
import os, time
print("waiting", flush=True)
while not os.path.exists("go"): time.sleep(0.001)
print("gone")
"""
    stream = events(f"{session}/execute", code)
    assert next(data["text"] for _, kind, data in stream if kind == "stdout") == "waiting\n"
    assert client.put(f"{session}/files/go").status_code == 201
    *_, (_, kind, execution) = stream
    assert (kind, execution["stdout"]) == ("finished", "waiting\ngone\n")


def test_a_silent_stream_is_kept_alive(client: httpx2.Client, session: str) -> None:
    body = {"code": "import time; time.sleep(600)", "stream": True}
    with client.stream("POST", f"{session}/execute", json=body) as response:
        comments = 0
        for line in response.iter_lines():
            comments += line == ": keep-alive"
            if comments == 3:
                client.post(f"{session}/interrupt")
                comments += 1
        assert comments >= 4


def test_long_output_is_cut_in_the_stream_and_has_head_and_tail_at_the_end(
    events: Events, client: httpx2.Client
) -> None:
    code = "print('head'); print('x' * 200_000); print('tail')"
    log = list(events("/v1/execute", code, limits={"output_bytes": 10_000}))
    streamed = "".join(data["text"] for _, kind, data in log if kind == "stdout")
    execution = log[-1][2]
    assert execution["truncated"]["stdout"] is True
    assert streamed.startswith("head\n")
    assert execution["stdout"].startswith("head\n")
    assert execution["stdout"].endswith("tail\n")
    assert len(streamed) < 12_000
    assert len(execution["stdout"]) < 12_000


def test_an_error_before_the_first_event_is_an_http_error(client: httpx2.Client) -> None:
    for body in ({"code": "1", "session_id": "sess_0"}, {"code": "1", "limits": {"cpus": 1e6}}, {"code": 1}):
        answer = client.post("/v1/execute", json={**body, "stream": True})
        assert answer.status_code in {404, 422}
        assert answer.headers["content-type"] == "application/json"


def test_a_client_that_leaves_a_stream_ends_its_execution(
    client: httpx2.Client, session: str, gauge: Gauge, eventually: Eventually
) -> None:
    before = left(client)
    body = {"code": f"x = 1\n{ENDLESS}", "stream": True}
    with client.stream("POST", f"{session}/execute", json=body) as response:
        lines = response.iter_lines()  # dropped, it would close the connection
        assert any("up" in line for line in lines)
        assert client.get(session).json()["state"] == "busy"
    eventually(lambda: gauge("insitu_executions") == 0)
    assert client.get(session).json()["state"] == "idle"
    assert left(client) == before + 1
    assert client.post(f"{session}/execute", json={"code": "2 + 2"}).json()["outcome"] == "ok"


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_breaks_off_ends_its_execution(
    client: httpx2.Client, session: str, url: str, stream: bool, gauge: Gauge, eventually: Eventually
) -> None:
    connection = send(url, f"{session}/execute", {"code": ENDLESS, "stream": stream})
    eventually(lambda: client.get(session).json()["state"] == "busy")
    connection.close()
    eventually(lambda: gauge("insitu_executions") == 0)
    assert client.get(session).json()["state"] == "idle"


def test_a_client_that_leaves_the_queue_never_runs(
    client: httpx2.Client, session: str, url: str, events: Events, gauge: Gauge, eventually: Eventually
) -> None:
    before = left(client)
    first = events(f"{session}/execute", ENDLESS)
    assert any(kind == "stdout" for _, kind, _ in first)
    waiting = send(url, f"{session}/execute", {"code": "open('ran', 'w')"})
    eventually(lambda: gauge("insitu_executions") == 2)
    waiting.close()
    eventually(lambda: left(client) == before + 1)
    client.post(f"{session}/interrupt")
    list(first)
    eventually(lambda: gauge("insitu_executions") == 0)
    assert client.get(f"{session}/files/ran").status_code == 404


def test_a_session_that_is_ended_ends_its_streams(
    client: httpx2.Client, session: str, events: Events, gauge: Gauge, eventually: Eventually
) -> None:
    stream = events(f"{session}/execute", ENDLESS)
    assert any(kind == "stdout" for _, kind, _ in stream)
    assert client.delete(session).status_code == 204
    *_, (_, kind, body) = stream
    assert (kind, body["outcome"], body["exit_code"]) == ("finished", "cancelled", 130)
    eventually(lambda: gauge("insitu_executions") == 0)


def test_a_queue_of_a_session_has_an_end(
    client: httpx2.Client, session: str, url: str, gauge: Gauge, eventually: Eventually
) -> None:
    with ExitStack() as stack:
        asked = [stack.enter_context(send(url, f"{session}/execute", {"code": ENDLESS})) for _ in range(32)]
        eventually(lambda: gauge("insitu_executions") == 32)
        refused = client.post(f"{session}/execute", json={"code": "1"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "quota_exceeded")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.delete(session).status_code == 204
        eventually(lambda: gauge("insitu_executions") == 0)
        answers = [connection.recv(65536) for connection in asked]
        assert sum(answer.startswith(b"HTTP/1.1 200") and b'"cancelled"' in answer for answer in answers) == 32


def test_a_fresh_sandbox_goes_with_its_client(
    client: httpx2.Client, url: str, gauge: Gauge, eventually: Eventually
) -> None:
    before = left(client)
    connection = send(url, "/v1/execute", {"code": ENDLESS, "stream": True})
    received = b""
    while b"up" not in received:
        received += connection.recv(65536)
    connection.close()
    eventually(lambda: gauge("insitu_executions") == 0)
    assert left(client) == before + 1
    assert client.get("/v1/sessions").json() == {"sessions": []}


def left(client: httpx2.Client) -> int:
    """How many clients the server saw leave before the end of their answer."""
    lines = client.get("/metrics").text.splitlines()
    counted = [line for line in lines if line.startswith('insitu_requests_total{method="POST",status="499"}')]
    return int(counted[0].split()[-1]) if counted else 0


def send(url: str, path: str, body: dict[str, Any]) -> socket.socket:
    """Sends a request over a new connection, and reads nothing."""
    address = httpx2.URL(url)
    data = json.dumps(body).encode()
    connection = socket.create_connection((address.host, address.port or 0), timeout=50)
    connection.sendall(
        b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % (path.encode(), len(data))
    )
    connection.sendall(data)
    return connection
