from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from insitu.settings import Settings
from tests.support.serving import serving

from .conftest import Run


def _printed(body: dict[str, object]) -> object:
    assert body["error"] is None, body["error"]
    return body["stdout"]


def test_a_function_is_called_and_its_result_is_a_python_value(run: Run) -> None:
    body = run("print(tools.find(name='Oslo'))")
    assert _printed(body) == "[{'name': 'Oslo always', 'position': [1.5, 2.0]}]\n"


def test_arguments_that_json_has_no_type_for_arrive_as_what_the_function_asks_for(run: Run) -> None:
    code = """
import datetime
print(tools.find("A", since=datetime.date(2024, 5, 1))[0]["name"], tools.size_of(b"\\xff\\xfe"))
"""
    assert _printed(run(code)) == "A 2024-05-01 2\n"


def test_twenty_calls_run_side_by_side(run: Run) -> None:
    code = """
import asyncio
print(await asyncio.gather(*[tools.meet.aio("gathered", 20) for _ in range(20)]))
"""
    assert _printed(run(code)) == f"{[20] * 20}\n"


def test_code_sees_only_what_it_was_granted(run: Run) -> None:
    code = """
print([tool.__name__ for tool in tools])
try:
    tools.large(1)
except AttributeError as error:
    print(error)
"""
    assert _printed(run(code, "find")) == "['find']\nthere is no tool 'large'; there are: find\n"


def test_without_a_grant_there_is_no_tool(client: httpx2.Client) -> None:
    body = client.post("/v1/execute", json={"code": "tools.find('a')"}).json()
    assert body["error"]["name"] in ("AttributeError", "NameError")


def test_calls_that_were_not_granted_are_refused_by_the_host(run: Run) -> None:
    # As a hostile sandbox would: past the object that was made for it.
    code = """
import json
host = tools.find._host
number = host.send("large", '{"size": 1}')
print(json.loads(host.wait(number)))
"""
    refused = {"error": {"name": "LookupError", "message": "there is no tool 'large' for this code"}}
    assert _printed(run(code, "find")) == f"{refused}\n"


def test_help_tells_of_a_tool(run: Run) -> None:
    printed = str(_printed(run("help(tools.find)")))
    assert "find(name: str, since: str | None = None) -> list[dict]" in printed
    assert "Finds places by their names." in printed


@pytest.mark.parametrize(
    ("call", "name", "message"),
    [
        ("find('nowhere')", "LookupError", "there is no place 'nowhere'"),
        ("find(name=5)", "ValueError", 'find: name: 5 is not of type "string"'),
        ("find('a', since='never')", "ValueError", "since: "),
        ("hang()", "TimeoutError", "hang did not answer within 0.2 s"),
        ("block()", "TimeoutError", "block did not answer within 0.2 s"),
        ("leave()", "RuntimeError", "it ended by SystemExit"),
        ("garbage()", "TypeError", "is of type _thread.lock"),
        ("large(2000)", "TypeError", "all of it has more than 1000 bytes as JSON"),
        ("size_of(float('nan'))", "ValueError", "size_of: data: JSON has no nan"),
        ("find({1: 2})", "ValueError", "find: "),
    ],
)
def test_what_goes_wrong_is_raised_in_the_code(run: Run, call: str, name: str, message: str) -> None:
    code = f"""
import builtins
try:
    tools.{call}
except tools.Error as error:
    print({name} in type(error).__mro__ or {name}, error)
"""
    printed = str(_printed(run(code)))
    assert message in printed
    assert "File" not in printed
    assert printed.startswith("True ")


def test_a_function_that_holds_its_threads_is_not_given_more(run: Run) -> None:
    code = """
for _ in range(3):
    try:
        tools.block()
    except tools.Error as error:
        print(type(error).__name__, error)
"""
    last = str(_printed(run(code))).splitlines()[-1]
    assert last.startswith("TimeoutError block had no place for the call within 0.4 s: 2 may run at once")


def test_keys_of_the_server_are_in_no_message(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"api_keys": (SecretStr("sesame-open-sesame"),), "data_dir": tmp_path})
    with serving(own) as url, httpx2.Client(base_url=url, timeout=50) as client:
        client.headers["authorization"] = "Bearer sesame-open-sesame"
        error = client.post("/v1/execute", json={"code": "tools.leak()", "tools": ["leak"]}).json()["error"]
    assert error["value"] == "cannot ask insitu with the key [secret]"


def test_a_rate_is_kept_over_executions(run: Run) -> None:
    assert _printed(run("print(tools.rare(), tools.rare(), tools.rare())")) == "once once once\n"
    body = run("tools.rare()")
    assert body["error"]["value"].startswith("rare may be called 3 times in 3600 s; again in ")


def test_the_events_tell_of_every_call(client: httpx2.Client) -> None:
    body = {"code": "tools.find('A')", "tools": ["find"], "stream": True}
    with client.stream("POST", "/v1/execute", json=body) as response:
        kinds = [line.removeprefix("event: ") for line in response.iter_lines() if line.startswith("event: ")]
    assert kinds == ["started", "tool_call", "tool_result", "result", "finished"]


def test_the_tools_are_listed(client: httpx2.Client) -> None:
    listed = {tool["name"]: tool for tool in client.get("/v1/tools").json()["tools"]}
    assert sorted(listed) == [
        "block", "bulk", "find", "garbage", "hang", "large", "leak", "leave", "meet", "rare", "size_of",
    ]  # fmt: skip
    assert listed["size_of"] == {
        "name": "size_of",
        "description": "Counts bytes.",
        "parameters": {
            "type": "object",
            "properties": {"data": {"type": "string", "format": "base64url"}},
            "required": ["data"],
            "additionalProperties": False,
        },
        "source": "python",
    }


def test_an_unknown_tool_is_refused(client: httpx2.Client) -> None:
    answer = client.post("/v1/execute", json={"code": "1", "tools": ["finder"]})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(
        "tools: there is no tool 'finder'; there are: block, bulk, find"
    )
