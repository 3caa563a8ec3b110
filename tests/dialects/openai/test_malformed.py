"""Requests in which something is not what it should be: an answer or a refusal, and never a failure of the server."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as properties
from hypothesis import strategies as st

from insitu.settings import Settings
from tests.support.forms import field, file_part, form
from tests.support.model import ScriptedModel, say
from tests.support.serving import serving
from tests.support.steps import Json

FORM = {"authorization": "Bearer one", "content-type": "multipart/form-data; boundary=between-two-parts"}
PART: Json = {"type": "input_text", "text": "Hi"}
IMAGE: Json = {"type": "input_image", "image_url": "data:image/png;base64,aa", "file_id": None, "detail": "low"}
FILE: Json = {"type": "input_file", "file_data": "data:text/plain;base64,aaaa", "filename": "a", "file_id": None}
CITATION: Json = {"type": "container_file_citation", "container_id": "cntr_1", "file_id": "cfile_1", "filename": "a"}
CITING: Json = {"type": "output_text", "text": "See.", "annotations": [CITATION]}
RESPONSE: Json = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [
        {"role": "system", "content": "Be kind."},
        {"type": "message", "role": "user", "id": "msg_1", "content": [PART, IMAGE, FILE]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {
            "type": "code_interpreter_call",
            "id": "ci_1",
            "code": "1",
            "container_id": "cntr_1",
            "outputs": [{"type": "logs", "logs": "1"}],
            "status": "completed",
        },
        {
            "type": "shell_call",
            "call_id": "call_1",
            "action": {"commands": ["ls"]},
            "environment": {"type": "container_reference", "container_id": "cntr_1"},
        },
        {
            "type": "shell_call_output",
            "call_id": "call_1",
            "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        {"type": "function_call", "call_id": "call_2", "name": "f", "arguments": "{}", "status": "completed"},
        {"type": "function_call_output", "call_id": "call_2", "output": [PART]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}, CITING]},
    ],
    "tools": [
        {
            "type": "code_interpreter",
            "container": {"type": "auto", "file_ids": [], "memory_limit": "1g", "network_policy": {"type": "disabled"}},
            "allowed_callers": ["direct"],
        },
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "function", "name": "f", "description": "F", "parameters": {"type": "object"}, "strict": False},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "code_interpreter"}, {"type": "shell"}, {"type": "function", "name": "f"}],
    },
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}},
    "metadata": {"a": "b"},
    "include": ["code_interpreter_call.outputs"],
    "temperature": 0.5,
    "max_output_tokens": 10,
    "store": False,
    "stream": False,
    "insitu": {"max_steps": 3},
}
CHAT: Json = {
    "model": "m",
    "code_interpreter": {"type": "code_interpreter", "container": {"type": "auto", "file_ids": []}},
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "x"}}]},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "I look."}],
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            "insitu": {"container_id": "cntr_1", "steps": []},
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "F", "parameters": {"type": "object"}}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "modalities": ["text"],
    "stream": False,
    "stream_options": {"include_usage": True},
    "n": 1,
    "temperature": 0.5,
    "max_tokens": 10,
    "insitu": {"max_steps": 3},
}
REQUESTS: dict[str, tuple[str, Json]] = {
    "a response": ("/v1/responses", RESPONSE),
    "a response in fenced mode": (
        "/v1/responses",
        {**RESPONSE, "model": "base-1", "tools": RESPONSE["tools"][:1], "tool_choice": "auto"},
    ),
    "a chat completion": ("/v1/chat/completions", CHAT),
    "a chat completion in fenced mode": (
        "/v1/chat/completions",
        {**CHAT, "model": "base-1", "tools": None, "tool_choice": None},
    ),
}
DEEP: Any = json.loads("[" * 900 + "]" * 900)
WRONG = st.one_of(
    st.sampled_from([None, True, 0, -1, 5, "", "x", "\0", "é", "auto", [], {}, [5], ["x"], [[]], [{}], {"type": [1]}]),
    st.sampled_from([10**30, "1" * 5000, {"id": []}, DEEP]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
)
# Python's own encoder writes it, and it is none.
NO_JSON = st.sampled_from([float("nan"), float("inf"), [float("-inf")], "\ud800", 10**4000])


@pytest.fixture(scope="module")
def server(settings: Callable[..., Settings]) -> Iterator[httpx2.Client]:
    """A client of a server, some of whose models write blocks."""
    with serving(settings(fenced_models=("base-*",))) as url:
        with httpx2.Client(base_url=url, headers={"authorization": "Bearer one"}, timeout=50) as client:
            yield client


def post(server: httpx2.Client, model: ScriptedModel, path: str, body: Json) -> httpx2.Response:
    model.forget()
    model.script(say("Yes."))
    answer = server.post(path, content=json.dumps(body).encode())
    model.forget()
    return answer


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all members of a JSON value, and to their members."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def with_another(body: Json, path: tuple[Any, ...], value: Any) -> Json:
    """The body with something else in a place of it."""
    changed: Any = copy.deepcopy(body)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return dict(changed)


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_in_which_all_is_right_is_answered(
    server: httpx2.Client, the_model: ScriptedModel, request_: str
) -> None:
    assert post(server, the_model, *REQUESTS[request_]).status_code == 200


@pytest.mark.parametrize("request_", REQUESTS)
@properties(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_that_a_request_may_hold_is_a_failure_of_the_server(
    server: httpx2.Client, the_model: ScriptedModel, request_: str, data: st.DataObject
) -> None:
    path, body = REQUESTS[request_]
    place = data.draw(st.sampled_from(list(places(body))))
    # As chat completions it would go to the model server as it is.
    wrong = data.draw(WRONG if path == "/v1/chat/completions" else WRONG | NO_JSON)
    answer = post(server, the_model, path, with_another(body, place, wrong))
    assert answer.status_code in (200, 400, 404, 413), answer.text
    assert '"internal"' not in answer.text


@pytest.mark.parametrize("seconds", ["1" * 5000, "", "-1", "\u0663600", "3599", "1e9", "2592001"])
def test_a_file_expires_after_a_number_of_seconds(server: httpx2.Client, seconds: str) -> None:
    expiry = [field("expires_after[anchor]", "created_at"), field("expires_after[seconds]", seconds)]
    answer = server.post("/v1/files", content=form(field("purpose", "vision"), *expiry, file_part()), headers=FORM)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "expires_after[seconds]")
