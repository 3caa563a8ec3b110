from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

ADD = "def main(x, y=1):\n    print('adding')\n    return x + y"
URL = "/v1/functions/add"


@pytest.fixture
def add(client: httpx2.Client) -> Iterator[dict[str, Any]]:
    """A function that adds; what was answered when it was deployed."""
    made = client.put(URL, json={"code": ADD, "env_vars": {"SECRET": "hidden"}, "description": "adds"})
    assert made.status_code == 201
    yield made.json()
    client.delete(URL)


def test_what_is_deployed_is_described_without_its_secrets(client: httpx2.Client, add: dict[str, Any]) -> None:
    assert {name: add[name] for name in ("name", "version", "versions", "handler", "files", "env_vars")} == {
        "name": "add",
        "version": 1,
        "versions": [1],
        "handler": "function.main",
        "files": ["function.py"],
        "env_vars": ["SECRET"],
    }
    for path in (URL, "/v1/functions", f"{URL}/versions", f"{URL}?qualifier=1"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "hidden" not in answer.text
    assert client.get("/v1/functions").json() == {"functions": [add], "has_more": False}
    assert client.get(URL).json() == add


def test_it_is_invoked(client: httpx2.Client, add: dict[str, Any]) -> None:
    first = client.post(f"{URL}/invoke", json={"args": [1], "kwargs": {"y": 2}}).json()
    assert (first["outcome"], first["result"], first["stdout"], first["cold"]) == ("ok", 3, "adding\n", True)
    assert first["timings"]["total_ms"] == first["duration_ms"] > 0
    second = client.post(f"{URL}/invoke", json={"args": [{"$type": "int", "value": hex(1 << 70)}]}).json()
    assert (second["result"]["value"], second["cold"]) == (hex((1 << 70) + 1), False)


def test_what_its_code_does_wrong_is_an_answer_like_any_other(client: httpx2.Client, add: dict[str, Any]) -> None:
    answer = client.post(f"{URL}/invoke", json={"args": ["a"]})
    body = answer.json()
    assert (answer.status_code, body["outcome"], body["error"]["name"]) == (200, "error", "TypeError")


def test_in_the_background(client: httpx2.Client, add: dict[str, Any]) -> None:
    accepted = client.post(f"{URL}/invoke", json={"args": [1], "async": True})
    place = accepted.headers["location"]
    assert (accepted.status_code, accepted.json()["state"]) == (202, "queued")
    assert place == f"{URL}/invocations/{accepted.json()['id']}"
    told = client.get(place, params={"stream": True})
    assert told.headers["content-type"].startswith("text/event-stream")
    last = told.text.strip().split("\n\n")[-1].split("\n")
    assert last[1] == "event: finished"
    ended = client.get(place).json()
    assert json.loads(last[2].removeprefix("data: ")) == ended
    assert (ended["state"], ended["result"]) == ("done", 2)
    logged = client.get(f"{URL}/invocations").json()["invocations"]
    assert [(each["id"], each["result"]) for each in logged] == [(ended["id"], None)]
    assert client.get(place.replace("/add/", "/other/")).status_code == 404


def test_lists_come_in_parts(client: httpx2.Client, add: dict[str, Any]) -> None:
    client.put(URL, json={"code": "def main(): return 2"})
    client.put("/v1/functions/other", json={"code": ADD})
    ids = [client.post(f"{URL}/invoke").json()["id"] for _ in range(2)]

    def part(path: str, **query: str | int) -> tuple[list[Any], bool]:
        body = client.get(f"/v1/functions{path}", params={"limit": 1, **query}).json()
        [data] = [value for value in body.values() if isinstance(value, list)]
        return [each.get("id") or (each["name"], each["version"]) for each in data], body["has_more"]

    assert part("") == ([("add", 2)], True)
    assert part("", after="add") == ([("other", 1)], False)
    assert part("", after="between") == ([("other", 1)], False)
    assert part("/add/versions") == ([("add", 1)], True)
    assert part("/add/versions", after=1) == ([("add", 2)], False)
    assert part("/add/invocations") == ([ids[1]], True)
    assert part("/add/invocations", after=ids[1]) == ([ids[0]], False)
    assert client.get(f"{URL}/invocations", params={"after": "inv_none"}).status_code == 404
    client.delete("/v1/functions/other")


def test_versions_and_aliases(client: httpx2.Client, add: dict[str, Any]) -> None:
    assert client.put(f"{URL}/aliases/live", json={"version": 1}).json()["aliases"] == {"live": 1}
    newer = client.put(URL, json={"code": "def main(): return 'new'", "publish": False}).json()
    assert (newer["version"], newer["versions"], newer["aliases"]) == (None, [1], {"live": 1})
    assert client.post(f"{URL}/invoke").json()["result"] == "new"
    assert client.post(f"{URL}/invoke", json={"qualifier": "live", "args": [1]}).json()["result"] == 2
    assert client.post(f"{URL}/publish").json()["version"] == 2
    refused = client.delete(URL, params={"qualifier": "1"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert client.delete(f"{URL}/aliases/live").status_code == 204
    assert client.delete(URL, params={"qualifier": "1"}).status_code == 204
    assert [each["version"] for each in client.get(f"{URL}/versions").json()["versions"]] == [2]


def test_files_in_both_forms(client: httpx2.Client) -> None:
    files = [
        {"path": "pkg/app.py", "text": "def go(): return open('data.bin', 'rb').read()"},
        {"path": "data.bin", "base64": base64.b64encode(b"\0\xff").decode()},
    ]
    made = client.put(URL, json={"files": files, "handler": "pkg.app.go"})
    assert made.json()["files"] == ["pkg/app.py", "data.bin"]
    assert client.post(f"{URL}/invoke").json()["result"] == {"$type": "bytes", "base64": "AP8="}
    assert client.delete(URL).status_code == 204
    assert client.post(f"{URL}/invoke").status_code == 404


def test_over_its_concurrency_it_says_when_to_come_again(
    client: httpx2.Client, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    client.put(URL, json={"code": "import time\ndef main(): time.sleep(2)", "concurrency": 1})
    accepted = client.post(f"{URL}/invoke", json={"async": True}).headers["location"]
    eventually(lambda: client.get(accepted).json()["state"] == "running")
    refused = client.post(f"{URL}/invoke")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"]["code"] == "quota_exceeded"
    assert client.get("/v1/sessions").json() == {"sessions": []}
    client.delete(URL)


BAD: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "no code": ("add", {}, 422, "a function has either code or files"),
    "code and files": ("add", {"code": "1", "files": [{"path": "a", "text": ""}]}, 422, "either code or files"),
    "a name": ("a.b", {"code": "1"}, 422, "is no name of a function"),
    "a path": ("add", {"files": [{"path": "../a", "text": ""}]}, 422, "is refused"),
    "two files of one path": ("add", {"files": [{"path": "a", "text": ""}] * 2}, 422, "the same path"),
    "a handler": ("add", {"code": "1", "handler": "x"}, 422, "the handler 'x'"),
    "a schema": ("add", {"code": "1", "schema": {"type": "x"}}, 422, "no JSON schema"),
    "a limit": ("add", {"code": "1", "limits": {"memory_bytes": 1 << 60}}, 422, "ceiling"),
    "a time-out": ("add", {"code": "1", "timeout_s": 1e6}, 422, "ceiling"),
    "an environment": ("add", {"code": "1", "environment": "x"}, 422, "no environment 'x'"),
    "an unknown field": ("add", {"code": "1", "memory": 1}, 422, "no such field"),
    "too much code": ("add", {"code": "#" * (5 << 20)}, 413, "the code has"),
    "code that is no text": ("add", {"code": "\ud800"}, 422, "not valid JSON"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_deployed(client: httpx2.Client, what: str) -> None:
    name, body, status, message = BAD[what]
    refused = client.put(f"/v1/functions/{name}", content=json.dumps(body))
    assert (refused.status_code, message in refused.json()["error"]["message"]) == (status, True), refused.text
    assert client.get("/v1/functions").json() == {"functions": [], "has_more": False}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/invoke"),
        ("POST", "/publish"),
        ("GET", "/versions"),
        ("GET", "/invocations"),
        ("GET", "/invocations/inv_0"),
        ("DELETE", "/aliases/live"),
    ],
)
def test_what_is_not_there(client: httpx2.Client, method: str, path: str) -> None:
    answer = client.request(method, f"/v1/functions/none{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_arguments_that_break_the_schema(client: httpx2.Client) -> None:
    client.put(URL, json={"code": ADD, "schema": {"type": "object", "properties": {"x": {"type": "integer"}}}})
    refused = client.post(f"{URL}/invoke", json={"kwargs": {"x": "1"}})
    assert (refused.status_code, refused.json()["error"]["message"]) == (422, 'x: "1" is not of type "integer"')
    client.delete(URL)
