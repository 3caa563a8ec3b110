"""Requests: keys, names of hosts, heads and bodies that are not what they should be"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.abc
import httpx2
import pytest

from insitu.server import protocol
from tests.attacks.api import OPERATOR, ApiStand, error_of
from tests.attacks.attack import Layer, attack
from tests.attacks.stand import ATTACKER, NEIGHBOUR, another
from tests.support.model import fail, say
from tests.support.responses import PYTHON

GET = b"GET /v1/sessions HTTP/1.1\r\nHost: x\r\n"
KEY = b"Authorization: Bearer %b\r\n" % ATTACKER.encode()
THEIRS = b"X-API-Key: %b\r\n" % NEIGHBOUR.encode()
END = b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def stand(api: ApiStand) -> Iterator[ApiStand]:
    """What is refused is closed at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "LINGER_S", 0.05)
        yield api


def statuses(answer: bytes) -> list[int]:
    """Those of all answers on a connection."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


CREDENTIALS = (
    b"",
    b"Authorization:\r\n",
    b"Authorization: Bearer\r\n",
    b"Authorization: Bearer \t \r\n",
    b"X-API-Key:   \r\n",
    b"Authorization: Basic dXNlcjo=\r\n",
    b"Authorization: Bearer %b\x80\r\n" % ATTACKER.encode(),
    b"Authorization: Bearer %b\r\n" % ATTACKER[:-1].encode(),
    b"Authorization: Bearer %b\r\n" % ATTACKER.upper().encode(),
    b"Authorization: Bearer %b,%b\r\n" % (ATTACKER.encode(), NEIGHBOUR.encode()),
    KEY + b"aUtHoRiZaTiOn: Bearer %b\r\n" % NEIGHBOUR.encode(),
    KEY + KEY,
    KEY + THEIRS,
    THEIRS + b"x-Api-key: %b\r\n" % ATTACKER.encode(),
    b"Cookie: api_key=%b\r\n" % ATTACKER.encode(),
    b"Proxy-Authorization: Bearer %b\r\n" % ATTACKER.encode(),
    b"X-Forwarded-User: %b\r\nX-Remote-User: admin\r\nForwarded: for=127.0.0.1\r\n" % ATTACKER.encode(),
)


@attack("get in with no key, half a key, an empty one, or two at once", Layer.API)
async def test_one_known_key_opens_and_nothing_else(stand: ApiStand) -> None:
    async with stand.unharmed():
        for credential in CREDENTIALS:
            assert statuses(await stand.raw(GET + credential + END)) == [401], credential
        query = b"GET /v1/sessions?api_key=%b&key=%b HTTP/1.1\r\nHost: x\r\n" % ((ATTACKER.encode(),) * 2)
        assert statuses(await stand.raw(query + END)) == [401]
        assert statuses(await stand.raw(GET + KEY + END)) == [200]


@attack("be taken for another, or for another request, by headers that proxies send", Layer.API)
async def test_headers_of_proxies_mean_nothing(stand: ApiStand) -> None:
    forged = {
        "x-http-method-override": "DELETE",
        "x-method-override": "DELETE",
        "x-http-method": "DELETE",
        "x-original-url": "/healthz",
        "x-rewrite-url": "/healthz",
        "x-forwarded-prefix": "/healthz",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "evil.example",
        "x-forwarded-user": NEIGHBOUR,
        "x-insitu-owner": NEIGHBOUR,
    }
    async with stand.unharmed(), stand.http() as http, stand.client() as client, client.session() as session:
        path = f"/v1/sessions/{session.id}"
        for method in ("GET", "PATCH"):
            answer = await http.request(method, path, headers=forged, params={"_method": "DELETE"})
            assert (answer.status_code, answer.json()["id"]) == (200, session.id)
        assert "evil" not in (await http.post("/v1/sessions", headers=forged)).headers["location"]
        listed = (await http.get("/v1/sessions", headers=forged)).json()["sessions"]
        assert len(listed) == 2
        assert (await http.delete(f"/v1/sessions/{max(listed, key=lambda each: each['created'])['id']}")).is_success


HOSTS = (
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "127.0.0.1@evil.example",
    "evil.example#localhost",
    "localhost, evil.example",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0.0.0.0",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::1%25lo]",
    "[evil.example]:8700",
    "",
    "localhost\r\nHost: evil.example",
)
ORIGINS = (
    "null",
    "http://localhost",
    "http://localhost:3000",
    "http://evil.example",
    "file://",
    "localhost",
    "http://",
)


@attack("use a server without keys from a web page, by a name that leads to this machine", Layer.API)
async def test_without_keys_names_and_pages_of_others_are_refused(stand: ApiStand, tmp_path: Path) -> None:
    async with stand.unharmed():
        with another(stand, tmp_path, api_keys=()) as open_stand:
            here = ApiStand(open_stand.url, stand.model)
            port = httpx2.URL(here.url).port
            for host in HOSTS:
                for name in (host, f"{host}:{port}"):
                    request = f"GET /v1/sessions HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
                    assert statuses(await here.raw(request.encode())) in ([403], [400]), name
            for origin in (*ORIGINS, f"http://localhost:{port}.evil.example", f"http://evil@localhost:{port}"):
                head = f"POST /v1/execute HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}\r\n"
                request = f"{head}Content-Type: text/plain\r\nContent-Length: 13\r\nConnection: close\r\n\r\n"
                assert statuses(await here.raw(request.encode() + b'{"code": "1"}')) == [403], origin
            async with here.http(None) as http:
                assert (await http.get("/v1/sessions")).status_code == 200


@attack("have a body read, checked or kept without a key", Layer.API)
async def test_keys_come_before_bodies(stand: ApiStand) -> None:
    async with stand.unharmed():
        for length, body in ((b"Content-Length: 99999999999", b"{"), (b"Transfer-Encoding: chunked", b"9\r\n{")):
            for path in (b"/v1/execute", b"/v1/files", b"/v1/responses", b"/v1/embeddings", b"/v1/sessions/x/files/x"):
                request = b"POST %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path, length)
                assert statuses(await stand.raw(request + END + body)) == [401], path
        assert stand.model.requests == []


SMUGGLED = b"DELETE /v1/sessions/x HTTP/1.1\r\nHost: x\r\n" + KEY + END
POST = b"POST /v1/execute HTTP/1.1\r\nHost: x\r\n" + KEY
AMBIGUOUS = (
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}",
    b"Content-Length: 2, 60\r\n\r\n{}",
    b"Content-Length: +2\r\n\r\n{}",
    b"Content-Length: -2\r\n\r\n{}",
    b"Content-Length: 0x2\r\n\r\n{}",
    b"Content-Length: 2 2\r\n\r\n{}",
    b"Content-Length : 2\r\n\r\n{}",
    b"Content-Length\r\n: 2\r\n\r\n{}",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n{}\r\n",
    b"X: a\r\n Content-Length: 2\r\n\r\n",
    b"X: a\0b\r\n\r\n",
    b"X: a\rContent-Length: 60\r\n\r\n",
    b"X\x80: a\r\n\r\n",
    b"\x00: a\r\n\r\n",
)


@attack("hide a request in the body of another, by lengths that contradict each other", Layer.API)
async def test_no_request_hides_in_another(stand: ApiStand) -> None:
    async with stand.unharmed():
        for head in AMBIGUOUS:
            answered = statuses(await stand.raw(POST + head + SMUGGLED))
            # Nothing of it is heard; or it is a request without a body, and then another one.
            assert answered in ([400], []) or (answered == [422, 404] and b"X" in head), (head, answered)
        assert statuses(await stand.raw(POST + b"Content-Length: 2\r\n\r\n{}" + SMUGGLED)) == [422, 404]


ODD = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /v1/sessions\r\n\r\n",
    b"GET /v1/sessions HTTP/9.9\r\nHost: x\r\n" + KEY + END,
    b"GET /v1/ses\x80sions HTTP/1.1\r\n" + KEY + END,
    b"GET /v1/ses\0sions HTTP/1.1\r\n" + KEY + END,
    b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n" + KEY + END,
    b"TRACE /v1/sessions HTTP/1.1\r\nHost: x\r\n" + KEY + END,
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + KEY + END,
    b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n" + KEY + END,
    b"GET //evil.example/v1/sessions HTTP/1.1\r\nHost: x\r\n" + KEY + END,
    b"GET /v1/%2e%2e/healthz HTTP/1.1\r\nHost: x\r\n" + KEY + END,
    b"GET /v1/sessions/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\n" + KEY + END,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
    b"\r\n" * 40_000,
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000,
    b"GET /" + b"a" * 100_000,
)


@attack("confuse the server by what is hardly HTTP, or is another version of it", Layer.API)
async def test_what_is_no_request_is_refused(stand: ApiStand) -> None:
    async with stand.unharmed():
        for data in ODD:
            answer = await stand.raw(data)
            assert statuses(answer) in ([400], [401], [404], [405], [414], [431]), (data[:60], answer[:200])
            assert b"Upgrade" not in answer
        upgrade = b"Connection: upgrade, close\r\nUpgrade: %b\r\nSec-WebSocket-Key: eA==\r\n\r\n"
        for kind in (b"websocket", b"h2c", b"TLS/1.0"):
            assert statuses(await stand.raw(GET + KEY + upgrade % kind)) == [200]


HELD = (
    (b"", b""),
    (b"", b"\r\n"),
    (b"GET / HTT", b""),
    (b"GET /", b"x"),
    (GET, b""),
    (GET, b"X: y\r\n"),
    (GET + KEY + b"\r\n", b"\r\n"),
)


@attack("keep connections for ever by heads that never end", Layer.API)
async def test_a_head_has_its_time(stand: ApiStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    address = httpx2.URL(stand.url)

    async def hold(data: bytes, more: bytes) -> None:
        async with await anyio.connect_tcp(address.host, address.port or 0) as stream, anyio.create_task_group() as own:
            own.start_soon(trickle, stream, data, more)
            try:
                async for _ in stream:
                    pass
            except anyio.BrokenResourceError:
                pass
            own.cancel_scope.cancel()

    async with stand.unharmed(), anyio.create_task_group() as tasks:
        for begun, more in HELD:
            tasks.start_soon(hold, begun, more)


async def trickle(stream: anyio.abc.SocketStream, data: bytes, more: bytes) -> None:
    try:
        await stream.send(data)
        while True:
            await anyio.sleep(0.02)
            await stream.send(more)
    except anyio.BrokenResourceError:
        pass


@attack("line up a thousand requests on one connection", Layer.API)
async def test_requests_in_a_row_are_answered_in_a_row(stand: ApiStand) -> None:
    async with stand.unharmed():
        answer = await stand.raw((GET + KEY + b"\r\n") * 999 + GET + END)
        assert statuses(answer) == [200] * 999 + [401]


DEEP = b"[" * 100_000
BODIES = {
    "nested without end": DEEP,
    "nested in a member": b'{"code": "1", "input": %b, "model": "m", "messages": %b}' % (DEEP, DEEP),
    "nested and closed": b'{"model": "m", "input": %b%b}' % (b"[" * 5000, b"]" * 5000),
    "no number": b'{"code": "1", "timeout_s": NaN, "model": "m", "input": "x", "temperature": NaN}',
    "infinite": b'{"code": "1", "timeout_s": 1e999, "model": "m", "input": "x", "temperature": -Infinity}',
    "a number of a million digits": b'{"code": "1", "timeout_s": %b, "model": "m", "input": "x"}' % (b"9" * 10**6),
    "half a surrogate pair": rb'{"code": "\ud800", "model": "\udfff", "input": "x", "name": "\ud800"}',
    "no UTF-8": b'{"code": "\xff\xfe", "model": "m", "input": "\xc0\x80"}',
    "UTF-16": '{"code": "1"}'.encode("utf-16"),
    "a mark in front": b'\xef\xbb\xbf{"code": 1, "metadata": 5}',
    "two values": b'{"code": 1}{"code": "1"}',
    "the same member twice": b'{"code": "1", "code": 5, "model": "m", "model": 5, "name": "a", "name": 5}',
    "a member beyond all bounds": b'{"%b": 1}' % (b"a" * 500_000),
    "its own prototype": b'{"__proto__": {"owner": "x"}, "constructor": {"prototype": {}}, "__class__": 1}',
}
ROUTES = (
    "/v1/execute",
    "/v1/sessions",
    "/v1/responses",
    "/v1/containers",
    "/v1/conversations",
)


@attack("break what reads JSON, by depth, by size and by what is none", Layer.API)
async def test_bodies_that_are_no_requests_are_refused(stand: ApiStand) -> None:
    async with stand.unharmed(), stand.http() as http:
        for route in ROUTES:
            for name, body in BODIES.items():
                assert error_of(await http.post(route, content=body))["message"], (route, name)


@attack("read a key in an error, or in the log", Layer.API)
async def test_no_key_is_told(stand: ApiStand, caplog: pytest.LogCaptureFixture) -> None:
    keys = [ATTACKER, NEIGHBOUR, OPERATOR]
    caplog.set_level(logging.INFO)
    seen = []
    said = f"Incorrect API key provided: {OPERATOR}. Authorization: Bearer {OPERATOR}"
    turns = {
        "/v1/responses": {"model": "m", "input": "x"},
        "/v1/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": [PYTHON]},
    }
    async with stand.unharmed(), stand.http() as http, stand.http(None) as stranger:
        for credential in (ATTACKER + "x", f"{ATTACKER} {NEIGHBOUR}", f"{ATTACKER},{OPERATOR}"):
            headers = {"authorization": f"Bearer {credential}"}
            seen += [await stranger.get("/v1/sessions", headers=headers)]
        for route, asked in turns.items():
            for status in (400, 401, 403, 404, 429, 500):
                refusal = {"error": {"message": said, "type": "x", "param": None, "code": None}}
                stand.model.script(fail(status, refusal, {"x-should-retry": "false"}))
                seen.append(await http.post(route, json=asked))
    assert all(answer.status_code >= 400 for answer in seen)
    told = "".join(answer.text + str(answer.headers) for answer in seen) + caplog.text
    assert [key for key in keys if key in told] == []


@attack("write lines of its own into the log, and take the name of another request", Layer.API)
async def test_names_of_requests_are_the_servers(stand: ApiStand, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    forged = "req_00000000000000000000000000000000"
    async with stand.unharmed(), stand.http() as http:
        for name in ("x-request-id", "x-correlation-id", "traceparent", "idempotency-key"):
            answer = await http.get("/v1/sessions/x%0d%0aroot%3A%20all%20is%20well%1b%5b2J", headers={name: forged})
            assert error_of(answer)["request_id"] == answer.headers["x-request-id"] != forged
        await stand.raw(b"GET /%0d%0aERROR HTTP/1.1\r\nX-Request-Id: a\nERROR: b\r\n" + END)
        stand.model.script(say("x"))
        await http.post("/v1/responses", json={"model": "m\r\nERROR \x1b[2J", "input": "x", "store": False})
    assert "ERROR:" not in caplog.text
    assert "\x1b" not in caplog.text
    assert "all is well" not in caplog.text
