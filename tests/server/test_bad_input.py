"""Every malformed request gets the one error body, with the right status and words that say what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from insitu.settings import Settings

if TYPE_CHECKING:
    import httpx2

Raw = Callable[[bytes], tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(port=0, preimport=(), pool_size=1, upload_bytes=30 << 20, code_bytes=4 << 20, max_timeout_s=600)


def error(answer: httpx2.Response, status: int, code: str) -> str:
    """Checks the shape of an error, and returns its words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) - {"hint"} == {"type", "code", "message", "request_id"}
    assert body["error"]["code"] == code
    assert body["error"]["request_id"] == answer.headers["x-request-id"]
    return f"{body['error']['message']} | {body['error'].get('hint', '')}"


@pytest.mark.parametrize("route", ["/v1/execute", "session"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "code: Field required"),
        ({"code": 5}, "code: it should be a valid string (it is 5)"),
        ({"code": None}, "code: it should be a valid string"),
        ({"code": ["1"]}, "code: it should be a valid string"),
        ({"code": "a\0b"}, "the code has a NUL byte, which Python cannot compile"),
        ({"code": "1", "cod": 1}, "cod: there is no such field"),
        ({"code": "1", "tools": ["x"]}, "tools: there is no tool 'x'; there are: none"),
        ({"code": "1", "policy": {"restricted": True}}, "policy: not built yet"),
        ({"code": "1", "stream": "yes"}, "stream: it should be a valid boolean"),
        ({"code": "1", "timeout_s": 0}, "timeout_s: it should be greater than 0 (it is 0)"),
        ({"code": "1", "timeout_s": -1.5}, "timeout_s: it should be greater than 0 (it is -1.5)"),
        ({"code": "1", "timeout_s": "5"}, "timeout_s: it should be a valid number"),
        ({"code": "1", "timeout_s": True}, "timeout_s: it should be a valid number"),
        ({"code": "1", "env_vars": {"A=B": "1"}}, "the environment variable 'A=B' has"),
        ({"code": "1", "env_vars": {"": "1"}}, "the environment variable '' has"),
        ({"code": "1", "env_vars": {"A": "\0"}}, "the environment variable 'A' has"),
        ({"code": "1", "env_vars": {"A": 1}}, "env_vars.A: it should be a valid string (it is 1)"),
        ({"code": "1", "files": [{"path": "a"}]}, "'a' must have either text or base64"),
        ({"code": "1", "files": [{"path": "a", "text": "", "base64": ""}]}, "either text or base64"),
        ({"code": "1", "files": [{"path": "a", "base64": "?"}]}, "the base64 of 'a' cannot be read"),
        ({"code": "1", "files": [{"path": "a", "base64": "\u00e9"}]}, "the base64 of 'a' cannot be read"),
        (
            {"code": "1", "files": [{"path": "a", "text": "", "mode": 7}]},
            "files.0.mode: there is no such field",
        ),
        ({"code": "1", "return_files": "*"}, "return_files: it should be a valid array"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_a_bad_field_is_named(client: httpx2.Client, session: str, route: str, body: Any, words: str) -> None:
    path = f"{session}/execute" if route == "session" else route
    assert words in error(client.post(path, json=body), 422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "code: Field required"),
        (b"{", "the body is not valid JSON"),
        (b"null", "the body: it should be an object"),
        (b"[]", "the body: it should be an object"),
        (b'"code"', "the body: it should be an object"),
        (b"[" * 100_000, "recursion limit"),
        (b'{"code": "\xff"}', "invalid unicode"),
        (rb'{"code": "\ud800"}', "not valid JSON"),
        (rb'{"code": "\udc00\ud800"}', "not valid JSON"),
        (b'{"code": "1", "timeout_s": NaN}', "timeout_s: it should be a finite number"),
        (b'{"code": "1", "timeout_s": Infinity}', "timeout_s: it should be a finite number"),
        (b'{"code": "1", "timeout_s": 1e999}', "timeout_s: it should be a finite number"),
        (b'{"code": "1", "limits": {"cpus": NaN}}', "limits.cpus: it should be a finite number"),
        (
            b'{"code": "1", "limits": {"processes": %b}}' % (b"9" * 50),
            "limits.processes: it should be less than",
        ),
        (b'{"code": "1", "limits": {"processes": %b}}' % (b"9" * 9999), "number out of range"),
        (b'{"code": "1", "limits": {"speed": 1}}', "limits.speed: there is no such field"),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else "",
)
def test_a_body_that_is_no_request_is_refused(client: httpx2.Client, body: bytes, words: str) -> None:
    assert words in error(client.post("/v1/execute", content=body), 422, "invalid_request")


@pytest.mark.parametrize("field", ["limits", "environment", "tier"])
def test_what_the_session_fixes_cannot_be_asked_of_an_execution(
    client: httpx2.Client, session: str, field: str
) -> None:
    value: object = {} if field == "limits" else "default"
    named = {"session_id": session.rpartition("/")[2], "code": "1", field: value}
    words = f"{field}: set when the session is made, and fixed from then on"
    assert words in error(client.post("/v1/execute", json=named), 422, "invalid_request")
    assert words in error(client.post(f"{session}/execute", json={"code": "1", field: value}), 422, "invalid_request")


def test_the_path_names_the_session(client: httpx2.Client, session: str) -> None:
    answer = client.post(f"{session}/execute", json={"code": "1", "session_id": "sess_1"})
    assert "session_id: the path names the session" in error(answer, 422, "invalid_request")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"memory_bytes": 1 << 60}, "memory_bytes is 1152921504606846976, over this server's ceiling of"),
        ({"cpus": 10_000}, "cpus is 10000"),
        ({"timeout_s": 601}, "timeout_s is 601, over this server's ceiling of 600"),
        ({"processes": 100_000}, "processes is 100000"),
    ],
)
def test_a_limit_over_the_ceiling_is_named(client: httpx2.Client, limits: dict[str, float], words: str) -> None:
    for path, body in (
        ("/v1/execute", {"code": "1", "limits": limits}),
        ("/v1/sessions", {"limits": limits}),
    ):
        assert words in error(client.post(path, json=body), 422, "over_ceiling")


def test_times_over_the_ceiling_are_named(client: httpx2.Client, session: str) -> None:
    for path in ("/v1/execute", f"{session}/execute"):
        answer = client.post(path, json={"code": "1", "timeout_s": 1e99})
        assert "timeout_s is 1e+99, over this server's ceiling of 600" in error(answer, 422, "over_ceiling")
    for name in ("ttl_s", "idle_timeout_s"):
        assert name in error(client.post("/v1/sessions", json={name: 1e9}), 422, "over_ceiling")
        assert name in error(client.patch(session, json={name: 1e9}), 422, "over_ceiling")


def test_an_unknown_environment_or_tier_is_refused(client: httpx2.Client) -> None:
    for field in ("environment", "tier"):
        for path, body in (("/v1/execute", {"code": "1", field: "none"}), ("/v1/sessions", {field: "none"})):
            assert "'none'" in error(client.post(path, json=body), 422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"metadata": {"a": 1}}, "metadata.a: it should be a valid string"),
        ({"metadata": {str(i): "" for i in range(65)}}, "metadata"),
        ({"metadata": {"a": "x" * 1025}}, "metadata.a"),
        ({"code": "1"}, "code: there is no such field"),
        ({"ttl_s": 0}, "ttl_s: it should be greater than 0"),
    ],
    ids=["number", "many", "long", "code", "zero"],
)
def test_bad_fields_of_a_session_are_named(
    client: httpx2.Client, session: str, body: dict[str, Any], words: str
) -> None:
    assert words in error(client.post("/v1/sessions", json=body), 422, "invalid_request")
    assert words in error(client.patch(session, json=body), 422, "invalid_request")


def test_twenty_megabytes_of_source_are_too_large(client: httpx2.Client, session: str) -> None:
    code = "#" * (20 << 20)
    for path in ("/v1/execute", f"{session}/execute"):
        words = error(client.post(path, json={"code": code}), 413, "too_large")
        assert "the code has 20971520 bytes; at most 4194304 are taken" in words
    assert client.get(session).json()["executions"] == 0


def test_code_is_measured_in_bytes(client: httpx2.Client) -> None:
    code = "#" + "ü" * (2 << 20)
    assert "4194305 bytes" in error(client.post("/v1/execute", json={"code": code}), 413, "too_large")


def test_a_body_over_the_cap_is_refused_before_it_is_read(raw: Raw) -> None:
    status, headers, body = raw(
        b"POST /v1/execute HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n"
    )
    assert (status, headers["connection"]) == (413, "close")
    assert json.loads(body)["error"]["message"] == f"the body has 99999999999 bytes; this route takes {30 << 20}"


def test_an_endless_body_is_cut_off(client: httpx2.Client) -> None:
    def endless() -> Any:
        for _ in range(31):
            yield b" " * (1 << 20)

    assert "more than 31457280 bytes" in error(client.post("/v1/execute", content=endless()), 413, "too_large")
    assert "more than 1048576 bytes" in error(client.post("/v1/sessions", content=endless()), 413, "too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "route_not_found"),
        ("GET", "/v1/nothing", 404, "route_not_found"),
        ("GET", "/v1/sessions/", 404, "route_not_found"),
        ("POST", "/v1/nothing", 404, "route_not_found"),
        ("GET", "/v1/execute", 405, "method_not_allowed"),
        ("PUT", "/v1/sessions", 405, "method_not_allowed"),
        ("GET", "/v1/sessions/sess_0", 404, "session_not_found"),
        ("PATCH", "/v1/sessions/sess_0", 404, "session_not_found"),
        ("DELETE", "/v1/sessions/sess_0", 404, "session_not_found"),
        ("POST", "/v1/sessions/sess_0/interrupt", 404, "session_not_found"),
        ("GET", "/v1/sessions/sess_0/files", 404, "session_not_found"),
        ("GET", "/v1/sessions/sess_0/files/a", 404, "session_not_found"),
        ("PUT", "/v1/sessions/sess_0/files/a", 404, "session_not_found"),
        ("DELETE", "/v1/sessions/sess_0/files/a", 404, "session_not_found"),
    ],
)
def test_what_is_not_there_is_404(client: httpx2.Client, method: str, path: str, status: int, code: str) -> None:
    error(client.request(method, path), status, code)


def test_a_session_that_is_gone_runs_nothing(client: httpx2.Client, session: str) -> None:
    assert client.delete(session).status_code == 204
    gone = session.rpartition("/")[2]
    for path, body in (
        (f"{session}/execute", {"code": "1"}),
        ("/v1/execute", {"code": "1", "session_id": gone}),
    ):
        for stream in (False, True):
            answer = client.post(path, json={**body, "stream": stream})
            assert gone in error(answer, 404, "session_not_found")


def test_a_refused_method_says_which_are_taken(client: httpx2.Client) -> None:
    assert client.get("/v1/execute").headers["allow"] == "POST"


def test_nothing_is_left_of_all_this(client: httpx2.Client, session: str, gauge: Callable[[str], float]) -> None:
    assert gauge("insitu_executions") == 0
    assert client.post(f"{session}/execute", json={"code": "1 + 1"}).json()["outcome"] == "ok"


def test_a_body_of_nothing_but_faults_is_refused_in_a_word(client: httpx2.Client) -> None:
    answer = client.post("/v1/execute", json={"code": "1", **{str(number): 1 for number in range(500)}})
    assert (answer.status_code, answer.json()["error"]["message"]) == (422, "there are 500 faults in the body")
