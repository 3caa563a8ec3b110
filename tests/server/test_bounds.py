"""What a client can make the server keep: each request has its bounds, whatever it consists of."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

import httpx2
import pytest

Raw = Callable[[bytes], tuple[int, dict[str, str], bytes]]
MOST = 64 << 10
GET = b"GET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n"
LARGE = b"a" * (MOST + 1)

TOO_MUCH = {
    "a long URL": (414, b"GET /" + LARGE + b" HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    "a URL without an end": (414, b"GET /" + LARGE * 4),
    "a long header": (431, GET + b"x-long: " + LARGE + b"\r\n\r\n"),
    "a header without an end": (431, GET + b"x-long: " + LARGE * 4),
    "a name without an end": (431, GET + LARGE * 4),
    "many headers": (431, GET + b"a: b\r\n" * MOST + b"\r\n"),
    "empty lines": (431, b"\r\n" * MOST),
    "a long method": (400, LARGE),
    "no HTTP": (400, b"hello\r\n\r\n"),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_what_comes_before_a_body_has_a_bound(raw: Raw, what: str) -> None:
    status, data = TOO_MUCH[what]
    answered, headers, body = raw(data)
    error = json.loads(body)["error"]
    assert (answered, headers["connection"]) == (status, "close")
    assert (error["type"], error["code"]) == ("invalid_request_error", "http_error")
    assert error["request_id"] == headers["x-request-id"]


def test_what_is_within_the_bound_is_heard(raw: Raw) -> None:
    room = MOST - len(GET) - 1000
    status, _, body = raw(GET + b"x-long: " + b"a" * room + b"\r\n\r\n")
    assert (status, json.loads(body)) == (200, {"sessions": []})
    status, _, _ = raw(b"GET /healthz?" + b"a" * room + b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert status == 200


def test_a_connection_that_is_used_again_counts_anew(client: httpx2.Client) -> None:
    for _ in range(10):
        assert client.get("/v1/sessions", headers={"x-long": "a" * 30_000}).status_code == 200
        assert client.post("/v1/execute", json={"code": "#" * 200_000}).status_code == 200


CHUNKED = b"POST /v1/execute HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
AFTER = {
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"x-trailer: a\r\n"),
    "a trailer without an end": (CHUNKED + b"2\r\n{}\r\n0\r\nx-trailer: ", b"a" * 1000),
    "an extension without an end": (CHUNKED + b"2;", b"a" * 1000),
}


@pytest.mark.parametrize("what", AFTER)
def test_who_sends_on_for_ever_is_cut_off(url: str, what: str) -> None:
    start, more = AFTER[what]
    address = httpx2.URL(url)
    with socket.create_connection((address.host, address.port or 0), timeout=50) as connection:
        connection.sendall(start)
        with pytest.raises(ConnectionError):
            send_all(connection, repeat(more))


def send_all(connection: socket.socket, pieces: Iterator[bytes]) -> Any:
    for piece in pieces:
        connection.sendall(piece)


SMALL_VALUES = {"numbers": b"[%b1]" % (b"1," * 4_500_000), "members": b'{%b"a":1}' % (b'"a":1,' * 2_200_000)}


@pytest.mark.parametrize("what", SMALL_VALUES)
def test_what_would_take_many_times_its_length_is_refused(client: httpx2.Client, what: str) -> None:
    answer = client.post("/v1/lambda", content=b'{"lambda":"lambda x: 1","args":[%b]}' % SMALL_VALUES[what])
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (413, "too_large")
    assert "many small values; 402653184 is the most" in error["message"]


def test_one_large_text_takes_its_length(client: httpx2.Client) -> None:
    files = [{"path": "a", "base64": "aGkh" * (5 << 20)}, {"path": "\N{GRINNING FACE}", "text": "hi"}]
    assert client.post("/v1/execute", json={"code": "1", "files": files}).json()["outcome"] == "ok"
