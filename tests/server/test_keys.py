"""Keys and owners; and without keys, what keeps web pages out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

import httpx2
import pytest
from anyio import CapacityLimiter

import insitu
from insitu.errors import Forbidden
from insitu.heavy import _Threads
from insitu.server.auth import Keys
from insitu.settings import Settings

# As AWS's clients name their key.
SIGNED = (
    "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/lambda/aws4_request,"
    " SignedHeaders=host;x-amz-date, Signature=0000"
)
Raw = Callable[[bytes], tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text("from-a-file\n", "utf-8")
    return Settings(port=0, preimport=(), pool_size=1, api_keys="key-one, kéy-two", api_keys_file=file)


@pytest.fixture(scope="module")
def one(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, headers={"authorization": "Bearer key-one"}, timeout=50) as client:
        yield client


@pytest.fixture(scope="module")
def other(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, headers={"x-api-key": "from-a-file"}, timeout=50) as client:
        yield client


@pytest.mark.parametrize(
    "headers",
    [
        "Authorization: Bearer key-one",
        "authorization: bearer  key-one ",
        "X-API-Key: key-one",
        "Authorization: Bearer key-one\r\nX-API-Key: key-one",
        "Authorization: Bearer kéy-two",
        f"Authorization: {SIGNED.format(key='key-one')}",
        f"Authorization: {SIGNED.format(key='kéy-two')}",
        f"Authorization: {SIGNED.format(key='key-one')}\r\nX-API-Key: key-one",
        "Authorization: Bearer key-one\r\nHost: example.com\r\nOrigin: https://example.com",
    ],
)
def test_a_known_key_is_let_in(raw: Raw, headers: str) -> None:
    assert raw(f"GET /v1/sessions HTTP/1.1\r\n{headers}\r\n\r\n".encode())[0] == 200


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ("Accept: */*", "no key"),
        ("Authorization: Bearer", "no key"),
        ("Authorization: Bearer ", "no key"),
        ("X-API-Key: ", "no key"),
        ("Authorization: Basic key-one", "no key"),
        ("Authorization: key-one", "no key"),
        ("Authorization: Bearer key-on", "not known"),
        ("Authorization: Bearer key-one, key-one", "not known"),
        (f"Authorization: {SIGNED.format(key='key')}", "not known"),
        (f"Authorization: {SIGNED.format(key='')}", "no key"),
        (f"Authorization: {SIGNED.format(key='from-a-file')}\r\nX-API-Key: key-one", "two different keys"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=key-one", "no key"),
        ("Authorization: Bearer KEY-ONE", "not known"),
        ("X-API-Key: k\xe9y-two", "not known"),
        ("Authorization: Bearer key-one\r\nAuthorization: Bearer key-one", "more than one key"),
        ("X-API-Key: key-one\r\nX-API-Key: key-one", "more than one key"),
        ("Authorization: Bearer key-one\r\nX-API-Key: from-a-file", "two different keys"),
    ],
)
def test_anything_else_is_401(raw: Raw, headers: str, words: str) -> None:
    for path in ("/v1/sessions", "/metrics", "/nowhere"):
        request = f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode("latin-1")
        status, answered, body = raw(request)
        assert (status, answered["www-authenticate"]) == (401, "Bearer")
        assert words in body.decode()
        assert '"type":"authentication_error","code":"unauthorized"' in body.decode()


def test_probes_and_the_description_need_no_key(client: httpx2.Client) -> None:
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_the_root_says_what_answers_to_whoever_may_ask(one: httpx2.Client, url: str) -> None:
    assert one.get("/").json() == {"name": "insitu", "version": insitu.__version__, "docs": "/docs"}
    assert httpx2.get(f"{url}/").status_code == 401


def test_someone_elses_session_is_not_there(one: httpx2.Client, other: httpx2.Client) -> None:
    path = f"/v1/sessions/{one.post('/v1/sessions').json()['id']}"
    one.put(f"{path}/files/mine.txt", content=b"mine")
    missing = "/v1/sessions/sess_0"
    requests: list[tuple[str, str, object]] = [
        ("GET", "", None),
        ("PATCH", "", {"metadata": {}}),
        ("DELETE", "", None),
        ("POST", "/execute", {"code": "1"}),
        ("POST", "/interrupt", None),
        ("GET", "/files", None),
        ("GET", "/files/mine.txt", None),
        ("PUT", "/files/mine.txt", None),
        ("DELETE", "/files/mine.txt", None),
    ]
    for method, rest, body in requests:
        theirs, nobodys = (other.request(method, base + rest, json=body) for base in (path, missing))
        assert theirs.status_code == nobodys.status_code == 404
        words = theirs.text.replace(path.rpartition("/")[2], "sess_0")
        assert _without_id(words) == _without_id(nobodys.text)
    named = {"code": "1", "session_id": path.rpartition("/")[2]}
    assert other.post("/v1/execute", json=named).status_code == 404
    assert other.get("/v1/sessions").json() == {"sessions": []}
    assert [each["id"] for each in one.get("/v1/sessions").json()["sessions"]] == [named["session_id"]]
    assert one.get(f"{path}/files/mine.txt").content == b"mine"
    assert one.delete(path).status_code == 204


def _without_id(body: str) -> str:
    return body.partition('"request_id"')[0]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"localhost:8700")],
        [(b"host", b"LOCALHOST")],
        [(b"host", b"localhost.")],
        [(b"host", b"127.0.0.1:9")],
        [(b"host", b"[::1]:8700")],
        [(b"host", b"box.internal:8700")],
        [(b"host", b"localhost:8700"), (b"origin", b"http://localhost:8700")],
        [(b"host", b"localhost:8700"), (b"authorization", b"Bearer any")],
    ],
    ids=repr,
)
def test_without_keys_programs_of_this_machine_are_let_in(headers: list[tuple[bytes, bytes]]) -> None:
    assert Keys(Settings(allowed_hosts=("box.internal",))).caller(headers)[0] == ""


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"evil.example")],
        [(b"host", b"localhost.evil.example:8700")],
        [(b"host", b"[::2]:8700")],
        [(b"host", b"")],
        [(b"host", b"localhost"), (b"host", b"evil.example")],
        [(b"host", b"localhost:8700"), (b"origin", b"http://evil.example")],
        [(b"host", b"localhost:8700"), (b"origin", b"http://localhost:3000")],
        [(b"host", b"localhost:8700"), (b"origin", b"null")],
        [(b"host", b"localhost:8700"), (b"origin", b"http://localhost:8700"), (b"origin", b"http://evil")],
    ],
    ids=repr,
)
def test_without_keys_web_pages_are_kept_out(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Forbidden):
        Keys(Settings()).caller(headers)


def test_threads_are_shared_between_keys(
    one: httpx2.Client, other: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, owners = _Threads.place, list[str]()

    def noted(self: _Threads, owner: str) -> AbstractAsyncContextManager[CapacityLimiter]:
        owners.append(owner)
        return place(self, owner)

    monkeypatch.setattr(_Threads, "place", noted)
    asked = {"code": "1", "files": [{"path": "a", "base64": "aGkh" * 20_000}]}
    for client in (one, other, one):
        assert client.post("/v1/execute", json=asked).json()["outcome"] == "ok"
    assert owners[0] == owners[2] != owners[1]
    assert all(owners)
