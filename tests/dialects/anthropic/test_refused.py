"""What cannot be had is refused by name, and nothing is ignored in silence."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import Anthropic

from tests.support.anthropic_errors import refused
from tests.support.messages import BY_CODE, CODE, PYTHON, QUESTION, WEATHER, ask
from tests.support.model import Json, ScriptedModel, say

TOOL_USE: Json = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
SERVER_USE: Json = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}}
BASH: Json = {"type": "bash_20250124", "name": "bash"}
PDF = {"type": "document", "source": {"type": "base64", "data": "AAAA"}}


def user(*blocks: Json) -> Json:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def assistant(*blocks: Json) -> Json:
    return {"messages": [QUESTION, {"role": "assistant", "content": list(blocks)}]}


UNSUPPORTED: list[tuple[Json, str]] = [
    ({"mcp_servers": [{"type": "url"}]}, "mcp_servers is not supported"),
    ({"context_management": {"edits": []}}, "context_management is not supported"),
    ({"compaction": {"type": "auto"}}, "compaction is not supported"),
    ({"fallbacks": ["other"]}, "fallbacks is not supported"),
    ({"speed": "fast"}, "there is one speed here"),
    ({"max_tokens": 0}, "max_tokens is 0"),
    ({"container": {"skills": [{"type": "anthropic", "skill_id": "pptx"}]}}, "skills are kept by Anthropic"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0: the tool 'web_search_20250305'"),
    ({"tools": [{"type": "code_execution_20991231", "name": "code_execution"}]}, "'code_execution_20991231'"),
    ({"tools": [{"type": ["x"]}]}, "tools.0: the tool"),
    (user({"type": "document", "source": {"type": "url", "url": "https://x"}}), "nothing is fetched from elsewhere"),
    (user({"type": "mystery"}), "messages.0.content.0: blocks of the type 'mystery'"),
    (assistant({"type": "web_search_tool_result", "tool_use_id": "x", "content": []}), "messages.1.content.0: blocks"),
    (assistant({**SERVER_USE, "name": "web_search"}), "messages.1.content.0: there is no tool 'web_search'"),
]
MALFORMED: list[tuple[Json, str]] = [
    ({"messages": []}, "at least one message"),
    ({"messages": ["hello"]}, "messages.0 must be an object"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role must be user, assistant or system"),
    ({"messages": [{"role": ["user"], "content": "x"}]}, "messages.0.role must be"),
    ({"messages": [{"role": "user"}]}, "messages.0.content must be a string or a list"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content.0 must be an object"),
    (user({"type": "text", "text": 1}), "messages.0.content.0.text must be a string"),
    (user(TOOL_USE), "a block of the type 'tool_use' cannot stand here"),
    (assistant({"type": "tool_result", "tool_use_id": "x"}), "a block of the type 'tool_result' cannot stand here"),
    ({"system": [PDF]}, "system.0: a block of the type 'document' cannot stand here"),
    (user({"type": "image", "source": {"type": "moon"}}), "source.type must be one of: base64, url, file"),
    (user({"type": "document", "source": {}}), "source.type must be one of: text, content, base64, file"),
    (assistant({**TOOL_USE, "input": "{}"}), "messages.1.content.0.input must be an object"),
    (assistant({**TOOL_USE, "id": ""}), "messages.1.content.0.id must have from 1 to 256 characters"),
    (assistant({**SERVER_USE, "id": "x" * 257}), "must have from 1 to 256 characters"),
    (assistant(SERVER_USE, SERVER_USE), "`tool_use` ids must be unique"),
    (
        assistant(*({**TOOL_USE, "id": f"t{n}"} for n in range(99))),
        "immediately after: t0, t1, t2, t3, t4, t5, t6, t7, t8, t9. ",
    ),
    (user({"type": "document", "source": {"type": "content", "content": [PDF]}}), "'document' cannot stand here"),
    (assistant(TOOL_USE), "without `tool_result` blocks immediately after: toolu_1."),
    (user({"type": "tool_result", "tool_use_id": "toolu_9"}), "unexpected `tool_use_id` found in `tool_result` blocks"),
    ({"tools": [{"name": "", "input_schema": {}}]}, "tools.0.name must be a string that is not empty"),
    ({"tools": [{"name": "weather"}]}, "tools.0.input_schema must be an object"),
    ({"tools": [CODE, PYTHON]}, "tools: Tool names must be unique."),
    ({"tools": [CODE, WEATHER, WEATHER]}, "tools: Tool names must be unique."),
    ({"tools": [CODE, {**WEATHER, "name": "code_execution"}]}, "tools: Tool names must be unique."),
    ({"tools": [{**CODE, "name": "code"}]}, "tools.0.code_execution_20250825.name: Input should be 'code_execution'"),
    ({"tools": [{"type": CODE["type"]}]}, "tools.0.code_execution_20250825.name: Field required"),
    ({"tools": [WEATHER, {**BASH, "name": "sh"}]}, "tools.1.bash_20250124.name: Input should be 'bash'"),
    ({"tools": [{**CODE, "allowed_callers": ["zzz", 3]}]}, "tools.0.allowed_callers must be a list of some of: direct"),
    ({"tools": [{**WEATHER, "warmth": 1}]}, "tools.0.custom.warmth: Extra inputs are not permitted"),
    ({"tools": [{**CODE, "input_schema": {}}]}, "tools.0.code_execution_20250825.input_schema: Extra inputs"),
    ({"tools": [{**BASH, "description": "x"}]}, "tools.0.bash_20250124.description: Extra inputs are not permitted"),
    (
        {"tools": [CODE, {**WEATHER, "allowed_callers": ["code_execution_20250522"]}]},
        "tools.1.allowed_callers must be a list of some of: direct, code_execution_20250825",
    ),
    ({"tools": [PYTHON, BY_CODE]}, "tools.1.allowed_callers: there is no code_execution tool"),
    ({"tool_choice": {"type": "tool", "name": "nothing"}}, "tool_choice names no tool of this request: 'nothing'"),
    ({"tool_choice": {"type": "sometimes"}}, "tool_choice.type must be one of"),
    ({"tool_choice": {"type": "any"}, "tools": []}, "any needs tools"),
    ({"output_config": {"format": {"type": "xml"}}}, "output_config.format must be"),
    ({"container": {"id": 1}}, "container.id must be a string"),
    ({"container": 7}, "container must be an id, or an object with the id ("),
    ({"system": 7}, "system must be a string or a list of blocks ("),
    ({"warmth": 1}, "warmth: there is no such field"),
    ({"insitu": {"tools": ["nothing"]}}, "nothing"),
    ({"insitu": {"max_steps": 0}}, "insitu.max_steps"),
    ({**user({"type": "container_upload", "file_id": "file_1"}), "tools": []}, "there is no code_execution tool"),
    (user({**PDF, "title": ".."}), "is no name that a file can have"),
    (user({**PDF, "source": {"type": "base64", "data": "!"}}), "the base64 of messages.0.content.0.source.data cannot"),
]


@pytest.mark.parametrize(("asked", "why"), UNSUPPORTED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_not_to_be_had_is_refused(
    anthropic_client: Anthropic, model: ScriptedModel, asked: Json, why: str
) -> None:
    error = refused(lambda: ask(anthropic_client, **sent(asked)))
    assert (error.type, error.error_code) == ("invalid_request_error", "unsupported")
    assert why in str(error.api_message)
    assert model.requests == []


@pytest.mark.parametrize(("asked", "why"), MALFORMED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_malformed_is_refused(anthropic_client: Anthropic, model: ScriptedModel, asked: Json, why: str) -> None:
    error = refused(lambda: ask(anthropic_client, **sent(asked)))
    assert error.type == "invalid_request_error"
    assert why in str(error.api_message)
    assert model.requests == []


def sent(asked: Json) -> Json:
    """A request with members that the SDK knows and others."""
    given: dict[str, Any] = {"tools": [CODE, WEATHER]}
    known = ("messages", "tools", "max_tokens", "system", "tool_choice", "container", "output_config")
    own = {name: value for name, value in asked.items() if name in known}
    return {**given, **own, "extra_body": {name: value for name, value in asked.items() if name not in known}}


def test_a_thread_is_refused_in_the_words_that_clients_understand(anthropic_client: Anthropic) -> None:
    error = refused(lambda: ask(anthropic_client, extra_body={"thread": {"type": "create"}}))
    assert error.error_code == "thread_unsupported_request"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "container_upload", "file_id": "cfile_1"},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
    ],
    ids=lambda block: block["type"],
)
def test_files_that_are_not_there_are_not_found(anthropic_client: Anthropic, block: Json) -> None:
    assert refused(lambda: ask(anthropic_client, **user(block)), 404).type == "not_found_error"


def test_files_of_another_owner_are_not_found(anthropic_client: Anthropic, anthropic_stranger: Anthropic) -> None:
    file_id = anthropic_client.files.upload(file=("a.txt", b"1")).id
    block = {"type": "container_upload", "file_id": file_id}
    assert refused(lambda: ask(anthropic_stranger, **user(block)), 404).type == "not_found_error"


def test_hints_are_taken_and_go_nowhere(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    hint = {"type": "ephemeral"}
    block = {"type": "text", "text": "Hm?", "cache_control": hint}
    hints: Json = {"cache_control": hint, "service_tier": "auto", "speed": "standard", "inference_geo": "eu"}
    ask(anthropic_client, **user(block), tools=[{**WEATHER, "cache_control": hint}], extra_body=hints)
    body = model.requests[0].body
    assert set(body) == {"model", "messages", "tools", "max_tokens", "stream", "stream_options"}
    assert body["messages"] == [{"role": "user", "content": "Hm?"}]


def test_every_member_that_the_sdk_has_for_a_tool_is_taken(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    every: Json = {"cache_control": {"type": "ephemeral"}, "defer_loading": False, "strict": True}
    custom = {**every, "type": "custom", "eager_input_streaming": True, "input_examples": [{"city": "Ulm"}]}
    editor = {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 1000}
    model.script(say("Hello."))
    ask(anthropic_client, tools=[{**CODE, **every}, {**BY_CODE, **custom}, {**BASH, **every}, {**editor, **every}])
    offered = [tool["function"]["name"] for tool in model.requests[0].body["tools"]]
    assert offered == ["python", "insitu_bash", "edit", "bash", "str_replace_based_edit_tool"]
