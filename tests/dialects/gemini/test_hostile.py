"""Requests in which something is not what it should be: an answer or a refusal in Google's form."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as properties
from hypothesis import strategies as st

from tests.dialects.conftest import HEADERS
from tests.support.model import ScriptedModel, say
from tests.support.steps import Json

GENERATE = "/v1beta/models/m:generateContent"
INTERACT = "/v1beta/interactions"
CODE: Json = {"executableCode": {"language": "PYTHON", "code": "1", "id": "c1"}, "thoughtSignature": "aW5zaXR1OmE="}
CONTENTS: Json = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "Hi"}, {"inlineData": {"mimeType": "image/png", "data": "aaaa"}}]},
        {
            "role": "model",
            "parts": [
                {"text": "Hm.", "thought": True},
                CODE,
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1", "id": "c1"}},
                {"functionCall": {"name": "f", "args": {"a": 1}, "id": "f1"}},
            ],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "id": "f1", "response": {"b": [2]}}}]},
        {"role": "user", "parts": [{"fileData": {"fileUri": "files/a", "mimeType": "text/csv"}}, {"text": "So?"}]},
    ],
    "tools": [
        {"codeExecution": {}},
        {"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {}}}}]},
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "temperature": 0.5,
        "maxOutputTokens": 9,
        "stopSequences": ["x"],
        "responseMimeType": "application/json",
        "responseSchema": {"type": "STRING", "nullable": True},
        "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True},
    },
}
STEPS: Json = {
    "model": "m",
    "store": False,
    "input": [
        {
            "type": "user_input",
            "content": [
                {"type": "text", "text": "Hi"},
                {"type": "image", "mime_type": "image/png", "data": "aaaa"},
                {"type": "document", "uri": "files/a"},
            ],
        },
        {"type": "thought", "summary": [{"type": "text", "text": "Hm."}]},
        {"type": "code_execution_call", "id": "c1", "arguments": {"code": "1"}, "signature": "aW5zaXR1OmE="},
        {"type": "code_execution_result", "call_id": "c1", "result": "1", "is_error": False},
        {"type": "function_call", "id": "f1", "name": "f", "arguments": {"a": 1}},
        {"type": "function_result", "call_id": "f1", "name": "f", "result": {"b": [2]}},
        {"type": "model_output", "content": [{"type": "text", "text": "Two."}]},
        {"type": "user_input", "content": [{"type": "text", "text": "So?"}]},
    ],
    "system_instruction": "Be brief.",
    "tools": [{"type": "code_execution"}, {"type": "function", "name": "f", "parameters": {"type": "object"}}],
    "generation_config": {"tool_choice": {"allowed_tools": {"mode": "any", "tools": ["f"]}}, "temperature": 0.5},
    "response_format": {"type": "text", "mime_type": "application/json", "schema": {"type": "object"}},
    "labels": {"a": "b"},
}
FILE: Json = {"file": {"displayName": "a", "mimeType": "text/csv", "sizeBytes": 1}}
WRONG = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)),
    st.sampled_from(
        [[], {}, [[]], [{}], {"type": []}, "\x00", "é", "../..", "a" * 5000, -1, 1 << 70, [None], ["f", 1]]
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a value."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from places(member, (*path, name))


@st.composite
def broken(draw: st.DrawFn, whole: Json) -> Json:
    """A request with something wrong in one or two places of it."""
    body = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        *above, last = draw(st.sampled_from(list(places(body))))
        parent = body
        for name in above:
            parent = parent[name]
        if draw(st.booleans()):
            del parent[last]
        else:
            parent[last] = copy.deepcopy(draw(WRONG))
        if not body:
            break
    return body


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, headers=HEADERS, timeout=50) as made:
        yield made


@pytest.fixture(scope="module")
def stored(client: httpx2.Client) -> str:
    """The name of a file that is there."""
    start = client.post("/upload/v1beta/files", json=FILE, headers={"x-goog-upload-command": "start"})
    command = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    return str(client.post(start.headers["x-goog-upload-url"], content=b"1", headers=command).json()["file"]["name"])


def ask(client: httpx2.Client, model: ScriptedModel, path: str, body: Json, stored: str) -> None:
    """Ask a model that answers, and see to the answer."""
    model.forget()
    model.script(say("Hi."))
    check(client.post(path, content=json.dumps(body).replace("files/a", stored)))
    model.forget()


def check(answer: httpx2.Response) -> None:
    """See that it is an answer, or a refusal as Google's clients read it."""
    if answer.status_code == 200:
        return
    error = answer.json()["error"]
    assert answer.status_code in (400, 404, 429), answer.text
    assert error["status"] in ("INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED") and error["message"]


DECLARED = '{"contents": "x", "tools": [{"functionDeclarations": [{"name": "f", "parameters": SCHEMA}]}]}'
tried = properties(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@tried
@given(body=broken(CONTENTS))
def test_contents_that_are_wrong_are_answered_or_refused(
    client: httpx2.Client, the_model: ScriptedModel, stored: str, body: Json
) -> None:
    ask(client, the_model, GENERATE, body, stored)


@tried
@given(body=broken(STEPS))
def test_steps_that_are_wrong_are_answered_or_refused(
    client: httpx2.Client, the_model: ScriptedModel, stored: str, body: Json
) -> None:
    ask(client, the_model, INTERACT, body | {"stream": False, "background": False, "store": False}, stored)


def test_what_is_whole_is_answered(client: httpx2.Client, model: ScriptedModel, stored: str) -> None:
    for path, body in ((GENERATE, CONTENTS), (INTERACT, STEPS)):
        model.script(say("Hi."))
        answer = client.post(path, content=json.dumps(body).replace("files/a", stored))
        assert answer.status_code == 200, answer.text


@tried
@given(body=broken(FILE), command=st.sampled_from(["start", "upload", "finalize", "", "start, upload"]))
def test_uploads_that_are_wrong_are_begun_or_refused(client: httpx2.Client, body: Json, command: str) -> None:
    answer = client.post("/upload/v1beta/files", json=body, headers={"x-goog-upload-command": command})
    check(answer)
    if answer.status_code == 200:
        client.post(answer.headers["x-goog-upload-url"], headers={"x-goog-upload-command": "cancel"})


def deep(levels: int, opening: str = '{"items":', closing: str = "}") -> str:
    return opening * levels + "{}" + closing * levels


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            GENERATE,
            f'{{"contents": "x", "tools": [{{"functionDeclarations": [{{"name": "f", "parameters": {deep(90)}}}]}}]}}',
        ),
        (GENERATE, f'{{"contents": {deep(900)}}}'),
        (GENERATE, deep(900, "[", "]")),
        (GENERATE, f'{{"contents": {deep(20_000)}}}'),
        (INTERACT, f'{{"model": "m", "input": {deep(900, "[", "]")}}}'),
        (GENERATE, json.dumps({"contents": [{"parts": []}] * 20_000})),
        (GENERATE, json.dumps({"contents": [{"parts": [{"text": ""}] * 20_000}]})),
        (GENERATE, json.dumps({"contents": "x", "tools": [{}] * 200_000})),
        (INTERACT, json.dumps({"model": "m", "input": [{"type": "thought"}] * 20_000})),
        (INTERACT, json.dumps({"model": "m", "input": "x", "tools": [{"type": "code_execution"}] * 20_000})),
        (GENERATE, '{"contents": "\\ud800"}'),
        (GENERATE, '{"contents": NaN}'),
        (GENERATE, "\xff"),
        (INTERACT, "[]"),
    ],
    ids=range(14),
)
def test_what_is_deep_or_endless_is_refused_before_a_model_reads_it(
    client: httpx2.Client, model: ScriptedModel, path: str, body: str
) -> None:
    answer = client.post(path, content=body.encode("latin-1"), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert model.requests == []
