"""How much a request may hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from tests.dialects.conftest import HEADERS
from tests.support.anthropic_errors import error_of
from tests.support.messages import ASKED
from tests.support.model import ScriptedModel, say


def too_many(count: int, value: Any) -> list[Any]:
    return [value] * count


ASK = {"role": "user", "content": "x"}
OPEN = (
    "`code_execution` tool use with id `srvtoolu_0` was found without a corresponding `code_execution_tool_result` "
    "block, and so were 128 more; 128 of them can wait for their results"
)
TEXT = {"type": "text", "text": "x"}
INNER = {"type": "document", "source": {"type": "content", "content": too_many(5000, TEXT)}}
WITHIN = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [INNER, INNER]}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": too_many(5000, TEXT)}


def left_open(count: int) -> dict[str, Any]:
    """A message of the model's with so many uses that have no results."""
    use = {"type": "server_tool_use", "name": "code_execution", "input": {"code": "1"}}
    return {"role": "assistant", "content": [{**use, "id": f"srvtoolu_{number}"} for number in range(count)]}


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        (too_many(10_001, {"role": "user", "content": "x"}), "there are 10001 messages, and 10000 is the most"),
        ([{"role": "user", "content": too_many(10_001, TEXT)}], "blocks, and 10000 is the most"),
        ([{"role": "user", "content": [INNER, INNER]}], "blocks, and 10000 is the most"),
        ([{"role": "user", "content": [RESULT, RESULT]}], "blocks, and 10000 is the most"),
        ([{"role": "user", "content": [WITHIN]}], "blocks, and 10000 is the most"),
    ],
    ids=["messages", "blocks", "blocks in documents", "blocks in results", "blocks in documents in results"],
)
def test_too_many_parts_are_refused(http: httpx2.Client, messages: list[Any], why: str) -> None:
    answer = http.post("/v1/messages", json={**ASKED, "messages": messages})
    assert answer.status_code == 400
    assert why in error_of(answer)["message"]


def test_as_many_uses_are_left_open_as_a_model_makes_at_once(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(say("Done."))
    answer = http.post("/v1/messages", json={**ASKED, "messages": [ASK, left_open(128)]})
    types = [block["type"] for block in answer.json()["content"]]
    assert types == ["code_execution_tool_result"] * 128 + ["text"]


def test_more_uses_without_results_are_refused(http: httpx2.Client) -> None:
    answer = http.post("/v1/messages", json={**ASKED, "messages": [ASK, left_open(129)]})
    assert (answer.status_code, error_of(answer)["message"]) == (400, OPEN)


def test_too_many_tools_are_refused(http: httpx2.Client) -> None:
    answer = http.post("/v1/messages", json={**ASKED, "tools": too_many(513, {"name": "x"})})
    assert answer.status_code == 400
    assert "tools" in error_of(answer)["message"]


def test_a_long_body_is_refused(http: httpx2.Client) -> None:
    answer = http.post("/v1/messages", content=b" " * ((32 << 20) + 1))
    assert (answer.status_code, error_of(answer)["type"]) == (413, "request_too_large")


def test_a_deep_body_is_refused(http: httpx2.Client) -> None:
    answer = http.post("/v1/messages", content=b'{"messages": ' + b"[" * 100_000)
    assert (answer.status_code, error_of(answer)["type"]) == (400, "invalid_request_error")


def test_a_transcript_counts_with_its_images(serve: Callable[..., str], model: ScriptedModel) -> None:
    url = serve(max_transcript_bytes=1 << 20)
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA" * (1 << 17)}
    image, text = {"type": "image", "source": source}, {"type": "text", "text": "x" * (1 << 19)}
    model.script(say("Hello."))

    def post(*content: Any) -> httpx2.Response:
        asked = {**ASKED, "messages": [{"role": "user", "content": content}]}
        return httpx2.post(f"{url}/v1/messages", json=asked, headers=HEADERS, timeout=50)

    assert post(text).status_code == 200
    refused = post(text, image)
    assert (refused.status_code, error_of(refused)["type"]) == (413, "request_too_large")
    assert len(model.requests) == 1


def test_too_many_parts_of_the_system_prompt_are_refused(http: httpx2.Client) -> None:
    answer = http.post("/v1/messages", json={**ASKED, "system": too_many(10_001, TEXT)})
    assert answer.status_code == 400
    assert "blocks, and 10000 is the most" in error_of(answer)["message"]
