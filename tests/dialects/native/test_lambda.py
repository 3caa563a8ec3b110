"""Inline lambdas, by HTTP."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.support.waiting import wait_until

COUNTER = "n = 0\ndef count():\n    global n\n    n += 1\n    return n"


def call(http: httpx2.Client, source: str, *args: Any, **more: Any) -> dict[str, Any]:
    response = http.post("/v1/lambda", json={"lambda": source, "args": args, **more})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_a_lambda_is_called_with_its_arguments(http: httpx2.Client) -> None:
    answer = call(http, "lambda x: sum(x) if isinstance(x, list) else 0", [1, 2, 3])
    assert list(answer) == [
        "result",
        "outcome",
        "state_kept",
        "stdout",
        "stderr",
        "error",
        "truncated",
        "usage",
        "timings",
        "id",
    ]
    assert (answer["result"], answer["outcome"], answer["error"]) == (6, "ok", None)
    assert answer["id"].startswith("exec_")


@pytest.mark.parametrize(
    ("source", "args", "kwargs", "result"),
    [
        ("lambda a, *, b=2: [a, b]", [1], {"b": 3}, [1, 3]),
        ("def double(x):\n    return 2 * x", [4], {}, 8),
        ("    import math\n    def area(r):\n        return math.floor(math.pi * r)\n    area", [2], {}, 6),
        ("async def later():\n    import asyncio\n    await asyncio.sleep(0)\n    return 7", [], {}, 7),
        ("len", [[1, 2]], {}, 2),
        ("lambda: None", [], {}, None),
        ("lambda x: x + 1", [{"$type": "int", "value": "0x10000000000000000"}], {}, {"$type": "int"}),
        ("lambda x: math.isnan(x)", [{"$type": "float", "value": "nan"}], {}, True),
        ("lambda x: list(x)", [{"$type": "bytes", "base64": "AP8="}], {}, [0, 255]),
        ("lambda: np.arange(2) * 1.5", [], {}, {"$type": "ndarray"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_functions_take_and_give_values(
    http: httpx2.Client, source: str, args: list[Any], kwargs: dict[str, Any], result: Any
) -> None:
    answer = call(http, source, *args, kwargs=kwargs)
    assert answer["outcome"] == "ok", answer
    if isinstance(result, dict):
        assert answer["result"]["$type"] == result["$type"]
    else:
        assert answer["result"] == result


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("lambda :: 3", "SyntaxError", "invalid syntax (<lambda>, line 1)"),
        ("", "NotALambda", "the source has to be a lambda, or to end in a function's definition or its name"),
        ("x = 5", "NotALambda", "the source has to be a lambda, or to end in a function's definition or its name"),
        ("5", "NotALambda", "the source is of type int, which cannot be called; write `lambda: …`"),
        ("lambda: 1 / 0", "ZeroDivisionError", "division by zero"),
        ("lambda x: x", "TypeError", "<lambda>() missing 1 required positional argument: 'x'"),
        ("f = lambda: f()\nf", "RecursionError", "maximum recursion depth exceeded"),
        ("lambda: nowhere", "NameError", "name 'nowhere' is not defined"),
        (
            "lambda: {'a': [print]}",
            "NotEncodable",
            "the value['a'][0] is of type builtin_function_or_method, which has",
        ),
        ("lambda: 'x' * (200 << 20)", "NotEncodable", "the value is too much: all of it has more than 10485560 bytes"),
        ("lambda: [0] * 1_000_000", "NotEncodable", "the value is too much: all of it holds more than 400000 values"),
        ("lambda: exit(3)", "SystemExit", "3"),
    ],
)
def test_what_a_function_does_wrong_is_in_the_answer(http: httpx2.Client, source: str, name: str, said: str) -> None:
    answer = call(http, source)
    assert (answer["result"], answer["outcome"], answer["error"]["name"]) == (None, "error", name)
    assert answer["error"]["value"].startswith(said)


def test_the_traceback_shows_the_functions_own_lines(http: httpx2.Client) -> None:
    lines = call(http, "def f(x):\n    return x / 0", 1)["error"]["traceback"].splitlines()
    assert [line.strip() for line in lines[:3]] == [
        "Traceback (most recent call last):",
        'File "<lambda>", line 2, in f',
        "return x / 0",
    ]


def test_an_argument_of_an_unknown_type_is_named(http: httpx2.Client) -> None:
    error = call(http, "lambda *args, **kwargs: 1", 0, kwargs={"x": [{"$type": "cat"}]})["error"]
    assert error["name"] == "NotDecodable"
    assert error["value"].startswith("kwargs['x'][0]: there is no $type 'cat'; there are: bytes, complex, ")


def test_a_result_of_a_gigabyte_uses_up_the_memory_or_is_refused(http: httpx2.Client) -> None:
    answer = call(http, "lambda: bytearray(1 << 30)", limits={"memory_bytes": 256 << 20})
    assert (answer["result"], answer["outcome"]) == (None, "out_of_memory") or answer["error"]["name"] == "MemoryError"


def test_a_function_that_ends_its_interpreter_or_takes_too_long_says_so(http: httpx2.Client) -> None:
    assert call(http, "lambda: __import__('os')._exit(3)")["outcome"] == "crashed"
    answer = call(http, "def f():\n    while True: pass", timeout_s=0.2)
    assert (answer["result"], answer["outcome"]) == (None, "timeout")


def test_what_it_prints_comes_with_the_result(http: httpx2.Client) -> None:
    answer = call(http, "def f():\n    import sys\n    print('out')\n    print('err', file=sys.stderr)\n    return 1")
    assert (answer["result"], answer["stdout"], answer["stderr"]) == (1, "out\n", "err\n")


def test_a_session_keeps_what_the_function_leaves(http: httpx2.Client) -> None:
    session = http.post("/v1/sessions", json={"env_vars": {"A": "1"}}).json()["id"]
    assert [call(http, COUNTER, session_id=session)["result"] for _ in range(3)] == [1, 2, 3]
    assert call(http, "lambda: open('a').read()", session_id=session)["error"]["name"] == "FileNotFoundError"
    http.put(f"/v1/sessions/{session}/files/a", content=b"text")
    assert call(http, "lambda: open('a').read()", session_id=session)["result"] == "text"
    see = "lambda: [__import__('os').environ.get(name) for name in 'AB']"
    assert call(http, see, session_id=session, env_vars={"B": "2"})["result"] == ["1", "2"]
    http.delete(f"/v1/sessions/{session}")
    assert call(http, COUNTER)["result"] == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "lambda: Field required"),
        ({"lambda": 5}, "lambda: it should be a valid string (it is 5)"),
        ({"lambda": "len", "args": {}}, "args: it should be a valid array"),
        ({"lambda": "len", "limits": {"memory": 1}}, "limits.memory: there is no such field"),
        ({"lambda": "len", "code": "1"}, "code: there is no such field"),
        ({"lambda": "len", "star": True, "stream": True}, "star and stream: only with map"),
        ({"lambda": "len\0"}, "the code has a NUL byte, which Python cannot compile"),
        ({"lambda": "len", "timeout_s": 1e9}, "timeout_s is 1000000000, over this server's ceiling of 600"),
        ({"lambda": "len", "environment": "none"}, "there is no environment 'none'"),
        (
            {"lambda": "len", "session_id": "sess_1", "environment": "default"},
            "environment: set when the session is made, and fixed from then on; leave it out, or leave out session_id",
        ),
        ({"lambda": "len", "map": [[1], 2], "star": True}, "map.1: with star, each input is a list or an object, and"),
    ],
)
def test_malformed_requests_are_refused(http: httpx2.Client, body: dict[str, Any], said: str) -> None:
    response = http.post("/v1/lambda", json=body)
    assert response.status_code == 422
    assert response.json()["error"]["message"].startswith(said)


def test_what_is_no_json_is_refused(http: httpx2.Client) -> None:
    for args in (b"[NaN]", b"[1e999]", b"[[-Infinity]]"):
        response = http.post("/v1/lambda", content=b'{"lambda": "len", "args": %b}' % args)
        assert response.status_code == 422
        assert response.json()["error"]["message"] == "an argument holds NaN or Infinity, which JSON does not have"


def test_a_session_of_someone_else_is_not_there(http: httpx2.Client) -> None:
    session = http.post("/v1/sessions", json={}).json()["id"]
    body = {"lambda": "len", "session_id": session}
    refused = http.post("/v1/lambda", json=body, headers={"authorization": "Bearer two"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "session_not_found")
    http.delete(f"/v1/sessions/{session}")


def test_a_client_that_leaves_ends_the_call(url: str, http: httpx2.Client) -> None:
    body = {"lambda": "def f():\n    import time\n    time.sleep(40)"}
    with httpx2.Client(base_url=url, headers=http.headers, timeout=0.5) as client:
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/v1/lambda", json=body)
    wait_until(lambda: "\ninsitu_executions 0\n" in http.get("/metrics").text)
