"""Files that come with a request itself: how many there may be, whatever its form."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import httpx2
import pytest

from tests.support.model import ScriptedModel, say

DATA = base64.b64encode(b"a,b").decode()
URL = f"data:text/csv;base64,{DATA}"


def responses(names: Sequence[str]) -> tuple[str, dict[str, Any]]:
    content = [{"type": "input_file", "filename": name, "file_data": URL} for name in names]
    asked = {"model": "m", "input": [{"role": "user", "content": content}]}
    return "/v1/responses", {**asked, "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}


def chat(names: Sequence[str]) -> tuple[str, dict[str, Any]]:
    content = [{"type": "file", "file": {"filename": name, "file_data": URL}} for name in names]
    asked = {"model": "m", "messages": [{"role": "user", "content": content}], "code_interpreter": True}
    return "/v1/chat/completions", asked


def messages(names: Sequence[str]) -> tuple[str, dict[str, Any]]:
    source = {"type": "base64", "media_type": "application/pdf", "data": DATA}
    content = [{"type": "document", "title": name, "source": source} for name in names]
    tools = [{"type": "code_execution_20250825", "name": "code_execution"}]
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}], "tools": tools}
    return "/v1/messages", asked


def contents(names: Sequence[str]) -> tuple[str, dict[str, Any]]:
    parts = [{"inlineData": {"mimeType": "text/csv", "displayName": name, "data": DATA}} for name in names]
    return "/v1beta/models/m:generateContent", {"contents": [{"parts": parts}], "tools": [{"codeExecution": {}}]}


@pytest.mark.parametrize("form", [responses, chat, messages, contents])
def test_not_any_number_of_files_comes_with_a_request(
    http: httpx2.Client,
    model: ScriptedModel,
    monkeypatch: pytest.MonkeyPatch,
    form: Callable[[Sequence[str]], tuple[str, dict[str, Any]]],
) -> None:
    monkeypatch.setattr("insitu.web.stored_files._MOST_CONTENTS", 3)
    headers = {"anthropic-version": "2023-06-01"}
    path, body = form(["a", "b", "c"])
    model.script(say("Seen."))
    assert http.post(path, json=body, headers=headers).status_code == 200
    path, body = form(["a", "b", "c", "d"])
    refused = http.post(path, json=body, headers=headers)
    assert refused.status_code == 400
    assert "more than 3 files come with the conversation itself" in refused.json()["error"]["message"]
