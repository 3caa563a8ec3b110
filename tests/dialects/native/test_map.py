"""One function for many inputs, by HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from insitu.engine import Engine
from tests.support.waiting import wait_until

FATES = """
def meet(x):
    if x == 1:
        raise KeyError(x)
    if x == 2:
        import os
        os._exit(3)
    if x == 3:
        while True:
            pass
    if x == 4:
        return object()
    if x == 5:
        return bytearray(1 << 30)
    if x == 6:
        import ctypes
        ctypes.string_at(0)
    return x
"""


def ask(http: httpx2.Client, source: str, inputs: list[Any], **more: Any) -> dict[str, Any]:
    response = http.post("/v1/lambda", json={"lambda": source, "map": inputs, **more})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def results(answer: dict[str, Any]) -> list[Any]:
    return [item["result"] for item in answer["items"]]


@contextmanager
def streamed(http: httpx2.Client, body: dict[str, Any]) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    with http.stream("POST", "/v1/lambda", json={**body, "stream": True}) as response:
        yield ((sse.event, json.loads(sse.data)) for sse in httpx2.EventSource(response, max_event_size=None))


def events(http: httpx2.Client, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    with streamed(http, body) as all_of_them:
        return list(all_of_them)


def gauge(http: httpx2.Client, name: str) -> int:
    lines = http.get("/metrics").text.splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"insitu_{name} "))


def held(http: httpx2.Client) -> int:
    return gauge(http, "held")


def sessions(http: httpx2.Client) -> set[str]:
    return {session["id"] for session in http.get("/v1/sessions").json()["sessions"]}


def test_results_have_the_order_of_their_inputs(http: httpx2.Client) -> None:
    answer = ask(
        http, "def f(x):\n    import time\n    time.sleep(0.05 if x == 0 else 0)\n    return -x", list(range(50))
    )
    assert results(answer) == [-x for x in range(50)]
    assert [item["index"] for item in answer["items"]] == list(range(50))
    assert answer["outcomes"] == {"ok": 50}


def test_thousands_of_inputs_are_one_request(http: httpx2.Client) -> None:
    assert results(ask(http, "lambda x: x * x", list(range(3000)))) == [x * x for x in range(3000)]


def test_no_inputs_are_no_calls(http: httpx2.Client) -> None:
    assert ask(http, "not even Python", []) == {"items": [], "outcomes": {}}
    assert events(http, {"lambda": "not even Python", "map": []}) == [("finished", {"outcomes": {}})]


def test_each_input_meets_its_own_fate_and_no_others(http: httpx2.Client) -> None:
    answer = ask(http, FATES, list(range(10)), timeout_s=1, limits={"memory_bytes": 200 << 20})
    outcomes = [item["outcome"] for item in answer["items"]]
    names = [item["error"] and item["error"]["name"] for item in answer["items"]]
    assert outcomes[:5] == ["ok", "error", "crashed", "timeout", "error"]
    assert outcomes[5] in ("out_of_memory", "error")  # without control groups it is a MemoryError
    assert outcomes[6:] == ["crashed", "ok", "ok", "ok"]
    assert names[:5] == [None, "KeyError", "Crashed", "Timeout", "NotEncodable"]
    assert results(answer) == [0, None, None, None, None, None, None, 7, 8, 9]
    assert sum(answer["outcomes"].values()) == 10


def test_inputs_spread_over_the_arguments_with_star(http: httpx2.Client) -> None:
    inputs = [[1, 2], {"a": 3, "b": 4}, [5]]
    assert results(ask(http, "lambda a, b=0, c=0: [a, b, c]", inputs, star=True)) == [[1, 2, 0], [3, 4, 0], [5, 0, 0]]
    assert results(ask(http, "lambda a, b=0, c=0: [a, b, c]", inputs[:1], args=[7], kwargs={"c": 8})) == [
        [[1, 2], 7, 8]
    ]
    assert results(ask(http, "lambda a, b, c: [a, b, c]", inputs[:2], star=True, kwargs={"c": 9})) == [
        [1, 2, 9],
        [3, 4, 9],
    ]


def test_items_are_streamed_as_they_end(http: httpx2.Client) -> None:
    with streamed(http, {"lambda": "lambda x: __import__('time').sleep(x)", "map": [40, 0]}) as items:
        kind, first = next(items)
    assert (kind, first["index"], first["outcome"]) == ("item", 1, "ok")


def test_the_sandboxes_of_a_map_end_with_it(http: httpx2.Client) -> None:
    before = held(http)
    ask(http, "lambda x: x", list(range(20)))
    assert held(http) <= before


def test_a_map_in_a_session_runs_there_one_by_one(http: httpx2.Client) -> None:
    session = http.post("/v1/sessions", json={}).json()["id"]
    source = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)"
    assert results(ask(http, source, [5] * 10, session_id=session)) == list(range(1, 11))
    assert http.get(f"/v1/sessions/{session}").status_code == 200
    http.delete(f"/v1/sessions/{session}")


def test_a_client_that_leaves_ends_all_calls(url: str, http: httpx2.Client) -> None:
    before, others = held(http), sessions(http)  # those of other tests
    body = {"lambda": "lambda x: __import__('time').sleep(40)", "map": list(range(100))}
    with httpx2.Client(base_url=url, headers=http.headers, timeout=0.5) as client:
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/v1/lambda", json=body)
        with client.stream("POST", "/v1/lambda", json={**body, "stream": True}) as response:
            lines = response.iter_lines()  # which closes the connection when it is let go
            assert next(lines) == ": keep-alive"
            wait_until(lambda: held(http) > before)
            assert sessions(http) <= others
    wait_until(lambda: gauge(http, "executions") == 0 and held(http) <= before)


def test_what_an_answer_has_no_room_for_says_so(http: httpx2.Client) -> None:
    answer = ask(http, "lambda x: 'x' * (9 << 20)", list(range(9)))
    assert answer["outcomes"] == {"ok": 7, "error": 2}
    left_out = next(item for item in answer["items"] if item["outcome"] == "error")
    assert (left_out["result"], left_out["error"]["name"]) == (None, "TooLarge")
    body = {"lambda": "lambda x: 'x' * (9 << 20)", "map": list(range(9))}
    assert events(http, body)[-1] == ("finished", {"outcomes": {"ok": 9}})


def test_a_map_makes_do_with_the_room_that_there_is(serve: Callable[..., str]) -> None:
    url = serve(max_sessions=1, max_executions=1, queue_size=0, max_executions_per_owner=1)
    with httpx2.Client(base_url=url, headers={"authorization": "Bearer one"}, timeout=50) as http:
        assert results(ask(http, "lambda x: x", list(range(30)))) == list(range(30))


def test_a_map_that_gets_no_sandbox_waits_for_one(serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    url = serve(max_sessions=1)
    monkeypatch.setattr(Engine, "ready", False)  # as it is while the pool is filled
    with httpx2.Client(base_url=url, headers={"authorization": "Bearer one"}, timeout=50) as http:
        session = http.post("/v1/sessions", json={}).json()["id"]
        body = {"lambda": "lambda x: x", "map": [1, 2], "stream": True}
        with http.stream("POST", "/v1/lambda", json=body) as response:
            lines = response.iter_lines()
            assert next(lines) == ": keep-alive"
            http.delete(f"/v1/sessions/{session}")
            told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert sorted(item["result"] for item in told[:2]) == [1, 2]
    assert told[2:] == [{"outcomes": {"ok": 2}}]


def test_a_session_that_ends_during_its_map_costs_what_is_left(http: httpx2.Client) -> None:
    path = "/v1/sessions/" + http.post("/v1/sessions", json={}).json()["id"]
    body = {"lambda": "lambda x: __import__('time').sleep(x)", "map": [0, 40, 0], "session_id": path.split("/")[-1]}
    with streamed(http, body) as items:
        _, first = next(items)
        wait_until(lambda: http.get(path).json()["state"] == "busy")
        http.delete(path)
        (_, second), (_, third), last = items
    assert [item["outcome"] for item in (first, second, third)] == ["ok", "cancelled", "crashed"]
    assert third["error"]["name"] == "SessionNotFound"
    assert last == ("finished", {"outcomes": {"ok": 1, "cancelled": 1, "crashed": 1}})


def test_too_many_inputs_are_refused(http: httpx2.Client) -> None:
    response = http.post("/v1/lambda", content=b'{"lambda": "len", "map": [%b1]}' % (b"1," * 100_000))
    assert response.status_code == 422
    assert "100000" in response.json()["error"]["message"]


def test_arguments_of_one_call_that_are_too_much_are_refused(http: httpx2.Client) -> None:
    shared, own = "a" * (4 << 20), "b" * (5 << 20)
    response = http.post("/v1/lambda", json={"lambda": "lambda x, y: 1", "args": [shared], "map": ["b", own]})
    assert response.status_code == 413
    size = len(json.dumps({"args": [own, shared], "kwargs": {}}, separators=(",", ":")))
    assert response.json()["error"]["message"].startswith(
        f"map.1: the arguments of this call have {size} bytes; {8 << 20} is the most"
    )


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"timeout_s": 1e9}, 422, "timeout_s is 1000000000, over this server's ceiling of 600"),
        ({"limits": {"memory_bytes": 1 << 50}}, 422, f"memory_bytes is {1 << 50}, over this server's ceiling of "),
        ({"session_id": "sess_1"}, 404, "there is no session 'sess_1'"),
    ],
)
def test_where_a_map_runs_is_looked_at_before_its_inputs(
    http: httpx2.Client, asked: dict[str, Any], status: int, said: str
) -> None:
    response = http.post("/v1/lambda", json={"lambda": "len", "map": [2], "star": True, **asked})
    assert response.status_code == status
    assert response.json()["error"]["message"].startswith(said)


def test_large_arguments_that_all_calls_share_are_there_in_each(http: httpx2.Client) -> None:
    answer = ask(http, "lambda x, text, *, y: [x, len(text), len(y)]", [1, 2, 3], args=["a" * 10**6], kwargs={"y": "b"})
    assert results(answer) == [[x, 10**6, 1] for x in (1, 2, 3)]
