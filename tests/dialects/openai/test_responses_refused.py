"""Requests that are refused: 400 in OpenAI's form, and the parameter at fault; the model hears nothing of them."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.support.model import ScriptedModel
from tests.support.responses import ask
from tests.support.steps import Json

pytestmark = pytest.mark.client("openai")

PTC = "programmatic tool calling runs JavaScript, and this server runs Python"


def user(content: Any) -> list[Json]:
    return [{"role": "user", "content": content}]


@pytest.fixture(autouse=True)
def unheard(model: ScriptedModel) -> Any:
    yield
    assert model.requests == []


@pytest.mark.parametrize(
    ("asked", "param", "message"),
    [
        ({"model": ""}, "model", "model: String should have at least 1 character"),
        ({"max_output_tokens": 0}, "max_output_tokens", "greater than or equal to 1"),
        ({"max_tool_calls": -1}, "max_tool_calls", "greater than or equal to 0"),
        ({"max_output_tokens": "many"}, "max_output_tokens", "should be a valid integer"),
        ({"metadata": {"a": 1}}, "metadata.a", "should be a valid string"),
        ({"metadata": {"a" * 65: "1"}}, f"metadata.{'a' * 65}.[key]", "at most 64 characters"),
        ({"metadata": {"a": "1" * 513}}, "metadata.a", "at most 512 characters"),
        ({"metadata": {str(n): "1" for n in range(17)}}, "metadata", "at most 16 items"),
        ({"extra_body": {"stream_options": {"include_usage": True}}}, "stream_options.include_usage", "no such field"),
        ({"truncation": "maybe"}, "truncation", "should be 'auto' or 'disabled'"),
        ({"tools": [7]}, "tools.0", "it should be an object"),
        ({"extra_body": {"heat": 1}}, "heat", "heat: there is no such field"),
        ({"extra_body": {"insitu": {"steps": 1}}}, "insitu.steps", "there is no such field"),
        ({"extra_body": {"insitu": {"max_steps": 0}}}, "insitu.max_steps", "greater than or equal to 1"),
    ],
)
@pytest.mark.shows("errors")
def test_fields_that_are_wrong(client: OpenAI, asked: Json, param: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message) as caught:
        ask(client, **asked)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (7, "input"),
        ({"role": "user", "content": "hi"}, "input"),
        ([7], "input[0]"),
        ([{"content": "hi"}], "input[0].type"),
        ([{"type": "dance"}], "input[0].type"),
        ([*user("hi"), {"role": "wizard", "content": "hi"}], "input[1].role"),
        (user(7), "input[0].content"),
        (user(["hi"]), "input[0].content[0]"),
        (user([{"type": "input_audio", "data": ""}]), "input[0].content[0]"),
        (user([{"type": "input_text", "text": 7}]), "input[0].content[0].text"),
        (user([{"type": "input_image"}]), "input[0].content[0]"),
        (user([{"type": "input_file", "file_url": "https://example.com/a.csv"}]), "input[0].content[0]"),
        (user([{"type": "input_file", "filename": "a", "file_data": "data:text/csv;base64,!"}]), "input"),
        (user([{"type": "input_file", "filename": "a", "file_data": "é"}]), "input"),
        (user([{"type": "input_file", "file_data": "", "file_id": {}}]), "input[0].content[0].file_id"),
        (user([{"type": "refusal", "refusal": 5}]), "input[0].content[0].refusal"),
        ([{"type": ["message"]}], "input[0].type"),
        ([{**user("hi")[0], "id": {"a": 1}}], "input[0].id"),
        ([{"type": "code_interpreter_call", "id": "x", "outputs": 5}], "input[0].outputs"),
        ([{"type": "item_reference"}], "input[0].id"),
        ([{"type": "code_interpreter_call", "code": "1"}], "input[0].id"),
        ([{"type": "function_call", "name": "f", "arguments": "{}"}], "input[0].call_id"),
        ([{"type": "function_call", "name": "f", "arguments": {}, "call_id": "c"}], "input[0].arguments"),
        ([{"type": "function_call_output", "call_id": "c"}], "input[0].output"),
        ([{"type": "function_call_output", "call_id": "c", "output": "1"}], "input"),
        ([{"type": "shell_call", "call_id": "c", "action": {"commands": "ls"}}], "input[0].action"),
    ],
)
def test_inputs_that_are_wrong(client: OpenAI, given: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(client, input=given)
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")


@pytest.mark.parametrize(
    ("tool", "param", "message"),
    [
        ({"type": "web_search"}, "tools[0].type", "there are code_interpreter, shell and function"),
        ({}, "tools[0].type", "the tool 'None' is not to be had here"),
        ({"type": "mcp", "server_label": "a"}, "tools[0].type", "the tool 'mcp' is not to be had here"),
        ({"type": "function"}, "tools[0].name", "a function must have a name"),
        ({"type": "function", "name": 7}, "tools[0].name", "a function must have a name"),
        ({"type": "shell", "environment": {"type": "local"}}, "tools[0].environment", "commands run on the server"),
        ({"type": "shell", "environment": "local"}, "tools[0].environment", "commands run on the server"),
        ({"type": "programmatic_tool_calling"}, "tools[0]", PTC),
        ({"type": "code_interpreter", "allowed_callers": ["direct", "programmatic"]}, "tools[0].allowed_callers", PTC),
        ({"type": "function", "name": "f", "allowed_callers": ["programmatic"]}, "tools[0].allowed_callers", PTC),
        ({"type": "code_interpreter", "allowed_callers": 7}, "tools[0].allowed_callers", "must be a list"),
    ],
)
def test_tools_that_are_not_to_be_had(client: OpenAI, tool: Json, param: str, message: str) -> None:
    with pytest.raises(BadRequestError, match=message) as caught:
        ask(client, tools=[tool])
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"previous_response_id": "resp_1", "conversation": "conv_1"}, "previous_response_id"),
        ({"previous_response_id": "resp_none"}, "previous_response_id"),
        ({"background": True, "store": False}, "background"),
        ({"input": []}, "input"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"truncation": "auto"}, "truncation"),
        ({"include": ["message.output_text.logprobs"]}, "top_logprobs"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"conversation": 7}, "conversation"),
        ({"conversation": {}}, "conversation"),
        ({"tool_choice": 7}, "tool_choice"),
        ({"include": ["everything"]}, "include.0"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"text": {"format": 7}}, "text.format"),
        ({"tool_choice": {"type": "allowed_tools", "tools": 7}}, "tool_choice.tools"),
        (
            {"tools": [{"type": "code_interpreter", "container": {"memory_limit": [1]}}]},
            "tools[0].container.memory_limit",
        ),
    ],
)
def test_what_does_not_go_together_or_is_not_to_be_had(client: OpenAI, asked: Json, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(client, **asked)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"{", b'{"model": "m", "input": "\xff"}', b'"model"'])
def test_bodies_that_are_no_requests(http: httpx2.Client, body: bytes) -> None:
    answer = http.post("/v1/responses", content=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "param", "request_id"}
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["resp_1", "resp_1/input_items", "resp_1?stream=true"])
def test_what_is_to_be_shown_besides_is_known(client: OpenAI, path: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.get(f"/responses/{path}", cast_to=object, options={"params": {"include[]": "everything"}})
    assert caught.value.param == "include[].0"


def test_routes_that_only_openai_has_say_so(client: OpenAI) -> None:
    for ask_for in (client.responses.input_tokens.count, client.responses.compact):
        with pytest.raises(NotFoundError, match="is not supported") as caught:
            ask_for(model="m", input="Hi")
        assert caught.value.code == "unsupported"


def test_streams_are_refused_like_all_else(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="heat"):
        client.responses.create(model="m", input="Hi", stream=True, extra_body={"heat": 1})
