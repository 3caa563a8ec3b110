"""Many calls in one request: their order, what became of each, and how they end together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from insitu.settings import Settings

Batch = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def settings() -> Settings:
    """What the module's server is started with."""
    return Settings(port=0, preimport=(), pool_size=2, keepalive_s=0.1, tools=("tests.tools.operators",))


@pytest.fixture(scope="module")
def batch(client: httpx2.Client) -> Batch:
    """Makes calls; returns the answer."""

    def make(*calls: dict[str, Any], **fields: Any) -> dict[str, Any]:
        answer = client.post("/v1/batch", json={"calls": calls, **fields})
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    return make


def code(source: str, **fields: Any) -> dict[str, Any]:
    return {"execute": {"code": source, **fields}}


def statuses(body: dict[str, Any]) -> list[str]:
    return [item["status"] for item in body["items"]]


def test_each_kind_of_call_answers_as_its_own_route_does(client: httpx2.Client, batch: Batch) -> None:
    client.put("/v1/functions/double", json={"code": "def main(x): return 2 * x"}).raise_for_status()
    body = batch(
        {"id": "first", **code("print('out'); 1 + 1")},
        {"lambda": {"lambda": "lambda x: sum(x)", "args": [[1, 2, 3]]}},
        {"function": {"name": "double", "args": [21]}},
        {"tool": {"name": "find", "arguments": {"name": "Oslo"}}},
    )
    assert body["outcomes"] == {"ok": 4}
    first, summed, doubled, found = body["items"]
    assert [item["index"] for item in body["items"]] == [0, 1, 2, 3]
    assert [item["kind"] for item in body["items"]] == ["execute", "lambda", "function", "tool"]
    assert (first["id"], summed["id"]) == ("first", None)
    assert first["answer"]["stdout"] == "out\n"
    assert first["answer"]["results"][0]["data"]["text/plain"] == "2"
    assert summed["answer"]["result"] == 6
    assert doubled["answer"]["result"] == 42
    assert found["answer"] == {"value": [{"name": "Oslo always", "position": [1.5, 2.0]}]}


def test_what_fails_harms_no_other_call(batch: Batch) -> None:
    body = batch(
        code("1 / 0"),
        code("import os; os._exit(3)"),
        {"lambda": {"lambda": "x = 1"}},
        {"function": {"name": "nobody"}},
        {"tool": {"name": "find", "arguments": {"name": "nowhere"}}},
        {"tool": {"name": "find", "arguments": {"name": 3}}},
        {"tool": {"name": "*"}},
        code("1", session_id="sess_none"),
        code("1", limits={"memory_bytes": 1 << 50}),
        code("'fine'"),
    )
    assert body["outcomes"] == {"ok": 1, "failed": 5, "refused": 4}
    assert statuses(body) == ["failed"] * 3 + ["refused"] + ["failed"] * 2 + ["refused"] * 3 + ["ok"]
    answers, errors = ([item[part] for item in body["items"]] for part in ("answer", "error"))
    assert [answer["outcome"] for answer in answers[:3]] == ["error", "crashed", "error"]
    assert answers[2]["error"]["name"] == "NotALambda"
    assert answers[4]["error"] == {"name": "LookupError", "message": "there is no place 'nowhere'"}
    assert answers[5]["error"]["name"] == "ValueError"
    assert [error["code"] for error in errors if error] == [
        "not_found",
        "invalid_request",
        "session_not_found",
        "over_ceiling",
    ]


def test_a_sequence_runs_one_after_the_other_and_stops_where_one_fails(batch: Batch, session: str) -> None:
    own = session.rpartition("/")[2]
    calls = [code("x = 1", session_id=own), code("x += 1", session_id=own), code("x", session_id=own)]
    body = batch(*calls, order="sequence")
    assert body["items"][2]["answer"]["results"][0]["data"]["text/plain"] == "2"
    calls.insert(1, code("1 / 0", session_id=own))
    body = batch(*calls, order="sequence")
    assert statuses(body) == ["ok", "failed", "skipped", "skipped"]
    assert [item["error"]["message"] for item in body["items"][2:]] == [
        "call 1, which it waited for, did not end well",
        "call 2, which it waited for, did not end well",
    ]
    assert statuses(batch(*calls, order="sequence", on_failure="go_on")) == ["ok", "failed", "ok", "ok"]


def test_a_call_waits_for_those_that_it_names(batch: Batch, session: str) -> None:
    own = session.rpartition("/")[2]
    body = batch(
        {"id": "all", "after": ["left", "right"], **code("open('l').read() + open('r').read()", session_id=own)},
        {"id": "left", "after": ["root"], **code("open('l', 'w').write(open('root').read() + 'l')", session_id=own)},
        {"id": "right", "after": ["root"], **code("open('r', 'w').write(open('root').read() + 'r')", session_id=own)},
        {"id": "root", **code("open('root', 'w').write('-')", session_id=own)},
        {"id": "lost", "after": ["broken"], **code("1")},
        {"id": "broken", **code("1 / 0")},
    )
    assert body["items"][0]["answer"]["results"][0]["data"]["text/plain"] == "'-l-r'"
    assert statuses(body) == ["ok"] * 4 + ["skipped", "failed"]
    assert body["items"][4]["error"]["message"] == "the call 'broken', which it waited for, did not end well"


def test_calls_run_side_by_side(batch: Batch) -> None:
    # Each returns once all are inside.
    meet = [{"tool": {"name": "meet", "arguments": {"group": "batch", "people": 20}}} for _ in range(20)]
    assert [item["answer"] for item in batch(*meet)["items"]] == [{"value": 20}] * 20


def test_calls_of_one_function_wait_for_each_other(client: httpx2.Client, batch: Batch) -> None:
    # More than may run at once: by itself, one over that would be refused.
    spec = {"code": "def main(x): return x + 1", "concurrency": 2}
    client.put("/v1/functions/add", json=spec).raise_for_status()
    body = batch(*({"function": {"name": "add", "args": [number]}} for number in range(40)))
    assert [item["answer"]["result"] for item in body["items"]] == list(range(1, 41))


def test_a_stream_tells_of_each_call_as_it_ends(client: httpx2.Client) -> None:
    calls = [{"id": "b", "after": ["a"], **code("2")}, {"id": "a", **code("1")}]
    body = client.post("/v1/batch", json={"calls": calls, "stream": True}).text
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in body.strip().split("\n\n")]
    events = [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]
    assert [(kind, data.get("id")) for kind, data in events] == [("item", "a"), ("item", "b"), ("finished", None)]
    assert events[2][1] == {"outcomes": {"ok": 2}}


def test_hundreds_of_calls_are_all_made(batch: Batch) -> None:
    body = batch(*({"lambda": {"lambda": "lambda x: x * x", "args": [number]}} for number in range(200)))
    assert [item["answer"]["result"] for item in body["items"]] == [number * number for number in range(200)]


def test_when_the_client_leaves_all_calls_end(
    client: httpx2.Client, gauge: Callable[[str], float], eventually: Callable[[Callable[[], bool]], None]
) -> None:
    calls = [code("import time; time.sleep(600)") for _ in range(4)]
    with client.stream("POST", "/v1/batch", json={"calls": [*calls, code("1")], "stream": True}) as response:
        lines = response.iter_lines()  # dropped, it would close the connection
        assert "event: item" in lines
        eventually(lambda: gauge("insitu_executions") == 4)
    eventually(lambda: gauge("insitu_executions") == 0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"calls": []}, "calls"),
        ({"calls": [{}]}, "exactly one of execute, lambda, function and tool"),
        ({"calls": [{**code("1"), "tool": {"name": "find"}}]}, "exactly one of execute, lambda, function and tool"),
        ({"calls": [code("1", stream=True)]}, "does not stream"),
        ({"calls": [{"function": {"name": "f", "async": True}}]}, "cannot be async"),
        ({"calls": [{"lambda": {"lambda": "abs", "map": [1]}}]}, "has no map"),
        ({"calls": [{"after": ["b"], **code("1")}]}, "after names 'b', which is the id of no call"),
        ({"calls": [{"id": "a", **code("1")}] * 2}, "the id 'a' is there twice"),
        ({"calls": [{"after": ["b"] * 1000, **code("1")}] * 21}, "the calls name 21000 others in all, and 20000 is"),
        ({"calls": [{"id": "a", "after": ["a"], **code("1")}]}, "these wait for each other: 'a'"),
        (
            {"calls": [{"id": a, "after": [b], **code("1")} for a, b in ("ab", "ba")]},
            "these wait for each other:",
        ),
        ({"calls": [{"id": "a", "after": ["a"], **code("1")}], "order": "sequence"}, "after: only where order"),
        ({"calls": [{**code("1"), "retries": 3}]}, "there is no such field"),
    ],
)
def test_a_batch_that_cannot_be_made_is_refused_whole(client: httpx2.Client, body: object, message: str) -> None:
    answer = client.post("/v1/batch", json=body)
    assert answer.status_code == 422
    assert message in answer.json()["error"]["message"]
    assert set(answer.json()) == {"error"}
