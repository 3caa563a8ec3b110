"""A client that stops reading neither stalls the code nor stays."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable

import httpx2
import pytest

from insitu.settings import Settings

WRITTEN = 12 << 20


@pytest.fixture(scope="module")
def unread_s() -> float:
    return 1


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(port=0, preimport=(), pool_size=1, output_bytes=WRITTEN * 2, max_output_bytes=WRITTEN * 2)


def test_a_client_that_stops_reading_is_cut_off(
    client: httpx2.Client,
    session: str,
    url: str,
    gauge: Callable[[str], float],
    eventually: Callable[[Callable[[], bool]], None],
) -> None:
    code = f"""
import time
for _ in range({WRITTEN >> 20}): print("x" * (1 << 20), flush=True)
open("written", "w").close()
while True: time.sleep(0.01)
"""
    body = json.dumps({"code": code, "stream": True}).encode()
    address = httpx2.URL(url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((address.host, address.port))
        head = f"POST {session}/execute HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        eventually(lambda: client.get(f"{session}/files/written").status_code == 200)
        eventually(lambda: gauge("insitu_executions") == 0)
        assert client.get(session).json()["state"] == "idle"
