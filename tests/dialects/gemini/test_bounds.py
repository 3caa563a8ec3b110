"""What requests in Google's form may hold."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.support.model import ScriptedModel, say

CALL = {"functionCall": {"name": "f", "args": {}}}
CODE = {"executableCode": {"code": "1"}}
ANSWER = {"functionResponse": {"name": "f", "response": {}}}


def _post(http: httpx2.Client, body: Any, method: str = "generateContent") -> tuple[int, str]:
    answer = http.post(f"/v1beta/models/m:{method}", json=body)
    found = answer.json()
    return answer.status_code, found["error"]["message"] if "error" in found else ""


@pytest.mark.parametrize("call", [CALL, CODE], ids=["functions", "code"])
def test_an_answer_of_the_model_has_not_any_number_of_calls(http: httpx2.Client, call: dict[str, Any]) -> None:
    contents = [{"role": "model", "parts": [call] * 257}, {"parts": [{"text": "And?"}]}]
    assert _post(http, {"contents": contents}) == (
        400,
        "contents[0].parts[256]: 256 calls are the most in one answer of the model",
    )


def test_as_many_calls_as_may_be_are_answered_in_their_order(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(say("Good."))
    contents = [{"role": "model", "parts": [CALL] * 256}, {"parts": [ANSWER] * 256}]
    assert _post(http, {"contents": contents}) == (200, "")
    said, *told = model.requests[-1].body["messages"]
    assert [call["id"] for call in said["tool_calls"]] == [message["tool_call_id"] for message in told]


def test_text_in_many_parts_is_one_text(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(say("Good."))
    contents = [{"role": "model", "parts": [{"text": "x"}] * 9000}, {"parts": [{"text": "And?"}]}]
    assert _post(http, {"contents": contents}) == (200, "")
    assert model.requests[-1].body["messages"][0] == {"role": "assistant", "content": "x" * 9000}


@pytest.mark.parametrize("request_of_count", [[1], "text"])
def test_what_is_to_be_counted_must_be_an_object(http: httpx2.Client, request_of_count: Any) -> None:
    body = {"generateContentRequest": request_of_count}
    assert _post(http, body, "countTokens") == (400, "generateContentRequest must be an object")


def test_only_functions_that_are_there_can_be_allowed(http: httpx2.Client) -> None:
    body = {
        "contents": "Hm?",
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", ["g"]]}},
    }
    assert _post(http, body) == (400, "there is no function \"['g']\" among the tools")
