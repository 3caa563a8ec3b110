from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from insitu.errors import InvalidRequest
from insitu.settings import Settings
from insitu.tools import ClientTools
from tests.support.serving import serving

Event = dict[str, Any]

ASK = {
    "name": "ask",
    "description": "Asks a person.",
    "parameters": {"type": "object", "properties": {"question": {"type": "string"}}, "required": ["question"]},
}
LONG = {"properties": {"a": {"description": "x" * 60_000}}}
# Its references written out, 20 times 20 times 20 steps and more.
NESTED = {
    "$defs": {"a": {"anyOf": [{}] * 20}, "b": {"anyOf": [{"$ref": "#/$defs/a"}] * 20}},
    "properties": {"p": {"anyOf": [{"$ref": "#/$defs/b"}] * 20}},
}
PATTERNS = {"properties": {str(number): {"pattern": f"^{number}$"} for number in range(33)}}
ASKING = "print(tools.ask(question='How many?'))"


def named(parameters: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """So many functions that take the same."""
    return [{"name": f"f{number}", "parameters": parameters} for number in range(count)]


class Stream:
    """The events of one stream, one by one."""

    def __init__(self, response: httpx2.Response) -> None:
        self._lines = response.iter_lines()

    def next(self, kind: str) -> Event:
        """The data of the next event of this kind, and its number; fails if there is none."""
        block: dict[str, str] = {}
        for line in self._lines:
            name, colon, value = line.partition(": ")
            if name and colon:
                block[name] = value
            elif not line and "data" in block:
                if block["event"] == kind:
                    return {**json.loads(block["data"]), "seq": int(block["id"])}
                block = {}
        raise AssertionError(f"there is no event {kind!r}")


class Asking:
    """An execution that may ask its client."""

    def __init__(self, client: httpx2.Client, stream: Stream) -> None:
        self.events = stream
        self.path = f"/v1/executions/{stream.next('started')['id']}"
        self._client = client

    def answer(self, call: Event, **fields: Any) -> httpx2.Response:
        return self._client.post(f"{self.path}/answers", json={"call_id": call["call_id"], **fields})

    def state(self) -> dict[str, Any]:
        body: dict[str, Any] = self._client.get(self.path).json()
        return body


@contextmanager
def asking(client: httpx2.Client, code: str, path: str = "/v1/execute", **fields: Any) -> Iterator[Asking]:
    body = {"code": code, "stream": True, "client_tools": [ASK], **fields}
    with client.stream("POST", path, json=body) as response:
        assert response.status_code == 200, response.read()
        yield Asking(client, Stream(response))


@contextmanager
def following(client: httpx2.Client, execution: Asking, after: int) -> Iterator[Stream]:
    with client.stream("GET", f"{execution.path}/events", params={"after": after}) as response:
        assert response.status_code == 200, response.read()
        yield Stream(response)


def test_code_waits_for_the_client_and_goes_on_with_its_answer(client: httpx2.Client) -> None:
    with asking(client, "print(tools.ask(question='How many?') + 1)") as execution:
        call = execution.events.next("tool_call")
        assert (call["name"], call["arguments"]) == ("ask", {"question": "How many?"})
        state = execution.state()
        assert (state["state"], state["execution"]) == ("paused", None)
        assert [each["call_id"] for each in state["calls"]] == [call["call_id"]]
        assert execution.answer(call, value=41).status_code == 200
        assert execution.events.next("tool_result")["value"] == 41
        assert execution.events.next("finished")["stdout"] == "42\n"


def test_values_of_answers_have_the_forms_of_values(client: httpx2.Client) -> None:
    with asking(client, ASKING) as execution:
        call = execution.events.next("tool_call")
        execution.answer(call, value={"$type": "date", "iso": "2024-05-01"})
        assert execution.events.next("finished")["stdout"] == "2024-05-01\n"


def test_an_error_of_the_client_is_raised_in_the_code(client: httpx2.Client) -> None:
    code = "try:\n    tools.ask(question='?')\nexcept KeyError as error:\n    print('no', error)"
    with asking(client, code) as execution:
        call = execution.events.next("tool_call")
        execution.answer(call, error={"name": "KeyError", "message": "nobody knows"})
        assert execution.events.next("finished")["stdout"] == "no 'nobody knows'\n"


def test_the_code_goes_on_after_a_connection_that_has_dropped(client: httpx2.Client) -> None:
    with asking(client, f"print('before'); {ASKING}; print('after')") as execution:
        call = execution.events.next("tool_call")
    assert execution.state()["state"] == "paused"
    with following(client, execution, call["seq"]) as events:
        execution.answer(call, value="two")
        assert events.next("tool_result")["seq"] == call["seq"] + 1
        finished = events.next("finished")
    assert finished["stdout"] == "before\ntwo\nafter\n"
    ended = execution.state()
    assert (ended["state"], ended["calls"], ended["execution"]["stdout"]) == ("ended", [], finished["stdout"])


def test_a_session_keeps_its_variables_over_a_pause(client: httpx2.Client) -> None:
    session = client.post("/v1/sessions", json={}).json()["id"]
    path = f"/v1/sessions/{session}/execute"
    with asking(client, "kept = tools.ask(question='?')", path) as execution:
        execution.answer(execution.events.next("tool_call"), value=[1, 2])
        execution.events.next("finished")
    assert client.post(path, json={"code": "print(kept)"}).json()["stdout"] == "[1, 2]\n"
    client.delete(f"/v1/sessions/{session}")


def test_calls_side_by_side_are_answered_in_any_order(client: httpx2.Client) -> None:
    code = """
import asyncio
print(await asyncio.gather(*[tools.ask.aio(question=str(n)) for n in range(3)]))
"""
    with asking(client, code) as execution:
        calls = [execution.events.next("tool_call") for _ in range(3)]
        for call in reversed(calls):
            execution.answer(call, value=int(call["arguments"]["question"]) * 10)
        assert execution.events.next("finished")["stdout"] == "[0, 10, 20]\n"


def test_arguments_are_checked_before_the_client_hears_of_them(client: httpx2.Client) -> None:
    with asking(client, "tools.ask(question=5)") as execution:
        error = execution.events.next("finished")["error"]
    assert error["value"] == 'ask: question: 5 is not of type "string"'
    with following(client, execution, -1) as events, pytest.raises(AssertionError):
        events.next("tool_call")


def test_an_answer_is_taken_once(client: httpx2.Client) -> None:
    with asking(client, ASKING) as execution:
        call = execution.events.next("tool_call")
        assert execution.answer(call, value=1).status_code == 200
        second = execution.answer(call, value=2)
        assert (second.status_code, second.json()["error"]["code"]) == (404, "not_found")
        assert execution.events.next("finished")["stdout"] == "1\n"


def test_a_paused_execution_can_be_interrupted(client: httpx2.Client) -> None:
    with asking(client, ASKING) as execution:
        execution.events.next("tool_call")
        assert client.post(f"{execution.path}/interrupt").json() == {"interrupted": True}
        assert execution.events.next("finished")["outcome"] == "cancelled"
    assert client.post(f"{execution.path}/interrupt").json() == {"interrupted": False}


def test_tools_of_the_server_and_of_the_client_go_together(client: httpx2.Client) -> None:
    code = "print(tools.size_of(tools.ask(question='?').encode()))"
    with asking(client, code, tools=["size_of"]) as execution:
        call = execution.events.next("tool_call")
    execution.answer(call, value="four")  # the server's own tool is answered, though nobody reads any more
    with following(client, execution, call["seq"]) as events:
        assert events.next("finished")["stdout"] == "4\n"


def test_of_two_of_one_name_it_is_the_clients(client: httpx2.Client) -> None:
    own = {"name": "find", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}}
    code = "print(tools.find(place='Ulm'), tools.size_of(b'abc'))"
    with asking(client, code, tools=["*"], client_tools=[own]) as execution:
        call = execution.events.next("tool_call")
        execution.answer(call, value="mine")
        assert execution.events.next("finished")["stdout"] == "mine 3\n"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"stream": False, "client_tools": [ASK]}, "client_tools: only with stream"),
        ({"client_tools": [ASK, ASK]}, "client_tools: two are called 'ask'"),
        ({"client_tools": [{**ASK, "name": "a b"}]}, "client_tools.0.name"),
        ({"client_tools": [{**ASK, "parameters": {"type": "array"}}]}, "it must be 'object'"),
        ({"client_tools": [{**ASK, "parameters": {"properties": 5}}]}, "no JSON schema that can be used"),
        ({"client_tools": named(LONG, 5)}, "together have more than 262144 bytes"),
        ({"client_tools": named(PATTERNS, 2)}, "or more than 64 patterns"),
        ({"client_tools": named(NESTED, 128)}, "the schemas before it have taken the rest"),
    ],
)
def test_functions_that_cannot_be_are_refused(client: httpx2.Client, fields: dict[str, Any], message: str) -> None:
    refused = client.post("/v1/execute", json={"code": "1", "stream": True, **fields})
    assert refused.status_code == 422
    assert message in refused.json()["error"]["message"]


def test_the_steps_of_all_functions_together_are_counted_up_to_a_bound() -> None:
    tools = ClientTools()
    with pytest.raises(InvalidRequest, match="more than 2316 steps"):
        for function in named(NESTED, 128):
            tools.add(function["name"], "", function["parameters"])
    assert len(tools.specs) == 2


def test_many_functions_of_many_arguments_can_be() -> None:
    tools = ClientTools()
    for function in named({"properties": {f"a{number}": {"type": "string"} for number in range(60)}}, 128):
        tools.add(function["name"], "", function["parameters"])
    assert len(tools.specs) == 128


@pytest.mark.parametrize(
    "fields", [{}, {"value": 1, "error": {"name": "E"}}, {"error": {"name": ""}}, {"value": 1, "more": 2}]
)
def test_answers_that_are_none_are_refused(client: httpx2.Client, fields: dict[str, Any]) -> None:
    with asking(client, ASKING) as execution:
        call = execution.events.next("tool_call")
        assert execution.answer(call, **fields).status_code == 422
        execution.answer(call, value=None)
        assert execution.events.next("finished")["stdout"] == "None\n"


def test_executions_without_functions_of_the_client_are_not_kept(client: httpx2.Client) -> None:
    execution = client.post("/v1/execute", json={"code": "1"}).json()["id"]
    assert client.get(f"/v1/executions/{execution}").status_code == 404


def test_an_execution_is_found_by_its_own_key_alone(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_validate(
        {**settings.model_dump(exclude={"api_keys"}), "api_keys": ("mine", "yours"), "data_dir": tmp_path}
    )
    with serving(own) as url, httpx2.Client(base_url=url, timeout=50) as client:
        client.headers["authorization"] = "Bearer mine"
        with asking(client, ASKING) as execution:
            call = execution.events.next("tool_call")
            for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/answers"), ("POST", "/interrupt")):
                body = {"call_id": call["call_id"], "value": "stolen"} if path == "/answers" else None
                other = client.request(
                    method, f"{execution.path}{path}", json=body, headers={"authorization": "Bearer yours"}
                )
                assert other.status_code == 404
            execution.answer(call, value="mine")
            assert execution.events.next("finished")["stdout"] == "mine\n"


def test_a_client_that_never_answers_is_given_up(settings: Settings, tmp_path: Path) -> None:
    own = settings.model_copy(update={"tool_wait_s": 0.2, "data_dir": tmp_path})
    with serving(own) as url, httpx2.Client(base_url=url, timeout=50) as client:
        with asking(client, ASKING) as execution:
            error = execution.events.next("finished")["error"]
    assert (error["name"], error["value"]) == ("TimeoutError", "nobody answered within 0.2 s")
