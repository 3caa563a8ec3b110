"""Requests of any shape get an answer or an error of Anthropic's, and never a failure of the server."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insitu.dialects.anthropic.blocks import RESULTS
from tests.support.anthropic_errors import error_of
from tests.support.messages import ASKED, CODE, WEATHER
from tests.support.model import Json, ScriptedModel, say

ids = st.sampled_from(["toolu_1", "srvtoolu_1", "srvtoolu_" + "0" * 64, "toolu_" + "0" * 32, "", "x"])
members = st.sampled_from(
    ["type", "text", "data", "source", "content", "file_id", "media_type", "title", "stdout", "caller", "id", "name"]
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["", "base64", "file", "text", "url", "auto", "𝄞"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(members, inner, max_size=4),
    max_leaves=6,
)
types = st.sampled_from(
    [
        *("text", "image", "document", "search_result", "container_upload", "tool_result"),
        *("tool_use", "server_tool_use", *RESULTS, "thinking", "mystery"),
    ]
)
names = st.sampled_from(["code_execution", "bash_code_execution", "weather", "python", ""])
blocks = st.fixed_dictionaries(
    {"type": types},
    optional={
        "text": st.just("Hm?") | values,
        "id": ids | values,
        "tool_use_id": ids | values,
        "name": names | values,
        "input": st.dictionaries(members, values, max_size=2) | values,
        "content": values,
        "source": values,
        "title": values,
        "file_id": values,
        "is_error": values,
        "caller": values,
    },
)
messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system"]),
            "content": st.just("Hm?") | st.lists(blocks, max_size=4),
        }
    )
    | values,
    max_size=4,
)
tools = st.lists(st.sampled_from([CODE, WEATHER]) | st.dictionaries(members, values, max_size=3), max_size=3)


@given(
    messages, tools, st.dictionaries(st.sampled_from(["tool_choice", "system", "container", "output_config"]), values)
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_conversation_is_answered_or_refused(
    http: httpx2.Client, model: ScriptedModel, said: list[Any], offered: list[Json], others: Json
) -> None:
    model.forget()
    model.script(say("Hello."))
    answer = http.post("/v1/messages", json={**ASKED, "messages": said, "tools": offered, **others})
    if answer.status_code == 200:
        assert answer.json()["content"] == [{"type": "text", "text": "Hello."}]
    else:
        assert answer.status_code in (400, 404), answer.text
        assert error_of(answer)["type"] in ("invalid_request_error", "not_found_error")
    model.forget()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"model": "m"}', b'{"a": NaN}', b"\xff", b'{"model": "\\ud800"}'], ids=repr
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_what_is_no_request_is_refused(http: httpx2.Client, body: bytes, path: str) -> None:
    answer = http.post(path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, error_of(answer)["type"]) == (400, "invalid_request_error")


USE = b'{"type": "tool_use", "id": "t", "name": "f", "input": {"a": NaN}}'


@pytest.mark.parametrize(
    "members",
    [
        b'"messages": [{"role": "user", "content": "Hm?"}], "temperature": NaN',
        b'"messages": [{"role": "assistant", "content": [%b]}]' % USE,
    ],
    ids=["option", "input"],
)
def test_numbers_that_are_none_are_refused(http: httpx2.Client, model: ScriptedModel, members: bytes) -> None:
    body = b'{"model": "m", "max_tokens": 9, %b}' % members
    answer = http.post("/v1/messages", content=body)
    assert answer.status_code == 400
    assert "numbers must be finite" in error_of(answer)["message"]
    assert model.requests == []
