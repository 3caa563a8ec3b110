"""Running code over HTTP: what comes back, and what stays."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx2


def test_the_last_expression_is_the_main_result(client: httpx2.Client) -> None:
    answer = client.post("/v1/execute", json={"code": "print('out'); 1 + 1"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body["id"].startswith("exec_")
    assert body["session_id"] is None
    assert (body["outcome"], body["exit_code"], body["error"]) == ("ok", 0, None)
    assert (body["stdout"], body["stderr"]) == ("out\n", "")
    assert [(result["data"]["text/plain"], result["main"]) for result in body["results"]] == [("2", True)]
    assert set(body["timings"]) == {"queued_ms", "sandbox_ms", "run_ms", "total_ms"}


def test_a_fresh_sandbox_knows_nothing_of_the_one_before(client: httpx2.Client) -> None:
    client.post("/v1/execute", json={"code": "x = 1; open('left.txt', 'w').write('x')"})
    body = client.post("/v1/execute", json={"code": "import os; ('x' in globals(), os.listdir())"}).json()
    assert body["results"][0]["data"]["text/plain"] == "(False, [])"


def test_a_session_keeps_variables_whichever_route_names_it(client: httpx2.Client, session: str) -> None:
    client.post(f"{session}/execute", json={"code": "x = 20"})
    named = {"session_id": session.rpartition("/")[2], "code": "x + 1"}
    body = client.post("/v1/execute", json=named).json()
    assert body["session_id"] == named["session_id"]
    assert body["results"][0]["data"]["text/plain"] == "21"


@pytest.mark.parametrize(
    ("code", "outcome", "exit_code", "state_kept"),
    [
        ("1 / 0", "error", 1, True),
        ("import sys; sys.exit(3)", "error", 3, True),
        ("def", "error", 1, True),
        ("import os; os._exit(7)", "crashed", 7, False),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed", 139, False),
        ("import time; time.sleep(600)", "timeout", 124, True),
    ],
    ids=["exception", "exit", "syntax", "os._exit", "segfault", "timeout"],
)
def test_what_code_does_wrong_is_a_value(
    client: httpx2.Client, session: str, code: str, outcome: str, exit_code: int, state_kept: bool
) -> None:
    answer = client.post(f"{session}/execute", json={"code": code, "timeout_s": 0.5})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["outcome"], body["state_kept"]) == (outcome, state_kept)
    if outcome != "crashed":
        assert body["exit_code"] == exit_code
    assert client.post(f"{session}/execute", json={"code": "6 * 7"}).json()["outcome"] == "ok"


def test_files_go_in_and_come_out_with_the_code(client: httpx2.Client) -> None:
    body = {
        "code": "data = open('in/a.bin', 'rb').read(); open('out.txt', 'wb').write(data[::-1])",
        "files": [
            {"path": "in/a.bin", "base64": base64.b64encode(b"\x00\xff12").decode()},
            {"path": "b.txt", "text": "ü"},
        ],
        "return_files": ["*.txt"],
    }
    files = {info["path"]: info for info in client.post("/v1/execute", json=body).json()["files"]}
    assert base64.b64decode(files["out.txt"]["base64"]) == b"21\xff\x00"
    assert "base64" not in files.get("in/a.bin", {})


def test_env_vars_are_of_the_execution(client: httpx2.Client, session: str) -> None:
    code = "import os; os.environ.get('WHO')"
    asked = {"code": code, "env_vars": {"WHO": "me"}}
    assert client.post(f"{session}/execute", json=asked).json()["results"][0]["data"]["text/plain"] == "'me'"
    assert client.post(f"{session}/execute", json={"code": code}).json()["results"] == []


def test_limits_hold_for_a_fresh_sandbox(client: httpx2.Client) -> None:
    asked = {"code": "print('x' * 100_000)", "limits": {"output_bytes": 1000}}
    body = client.post("/v1/execute", json=asked).json()
    assert body["truncated"]["stdout"] is True
    assert len(body["stdout"]) < 2000


def test_executions_of_one_session_queue(client: httpx2.Client, session: str) -> None:
    client.post(f"{session}/execute", json={"code": "n = 0"})
    code = "m = n; import time; time.sleep(0.01); n = m + 1"
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: client.post(f"{session}/execute", json={"code": code}), range(8))
        assert [answer.json()["outcome"] for answer in answers] == ["ok"] * 8
    body = client.post(f"{session}/execute", json={"code": "n"}).json()
    assert body["results"][0]["data"]["text/plain"] == "8"


@pytest.mark.parametrize(
    "code",
    [
        r"import sys; sys.stdout.buffer.write(b'\xed\xa0\x80\xff')",
        "display({'application/json': [float('nan'), 2**70]}, raw=True)",
        r"display({'text/plain': '\ud800'}, raw=True)",
        "x = []\nfor _ in range(300): x = [x]\ndisplay({'application/json': x}, raw=True)",
    ],
    ids=["no utf-8", "nan", "surrogate", "deep"],
)
def test_whatever_code_shows_the_answer_is_json(client: httpx2.Client, session: str, code: str) -> None:
    answer = client.post(f"{session}/execute", json={"code": code})
    assert answer.status_code == 200
    assert answer.json()["outcome"] in {"ok", "error"}


def test_every_answer_carries_a_request_id_of_its_own(client: httpx2.Client) -> None:
    ids = {client.get(path).headers["x-request-id"] for path in ("/healthz", "/v1/sessions", "/nowhere", "/docs")}
    assert len(ids) == 4
    assert all(each.startswith("req_") and len(each) == 36 for each in ids)
