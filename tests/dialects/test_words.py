"""What one dialect's errors say is not in the words of another."""

from __future__ import annotations

import json

import httpx2
import pytest

from tests.support.steps import Json


@pytest.mark.parametrize("field", ["session_id", "policy", "limits"])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1beta/interactions"])
def test_fields_of_the_native_api_are_as_unknown_as_others(http: httpx2.Client, path: str, field: str) -> None:
    answer = http.post(path, json={"model": "m", "input": "x", "max_tokens": 1, "messages": [], field: {}})
    assert answer.status_code == 400
    assert f"{field}: there is no such field" in answer.json()["error"]["message"]


FILE = "file-named"
NAMED: list[tuple[str, Json, str]] = [
    ("/v1/messages", {"type": "image", "source": {"type": "file", "file_id": FILE}}, "messages.0.content.0.source"),
    ("/v1/messages", {"type": "document", "source": {"type": "file", "file_id": FILE}}, "messages.0.content.0.source"),
    ("/v1beta/models/m:generateContent", {"fileData": {"fileUri": f"files/{FILE}"}}, "contents[0].parts[0].fileData"),
    ("/v1/responses", {"type": "input_image", "file_id": FILE}, "input"),
]


@pytest.mark.parametrize(("path", "part", "where"), NAMED)
def test_a_file_that_is_too_large_is_told_where_it_is_named(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, path: str, part: Json, where: str
) -> None:
    monkeypatch.setattr("insitu.web.stored_files._INLINE_BYTES", 3)
    file = http.post("/v1/files", files={"file": ("a.png", b"1234")}, data={"purpose": "user_data"}).json()["id"]
    said = {"role": "user", "content": [part]}
    body = {
        "/v1/messages": {"model": "m", "max_tokens": 9, "messages": [said]},
        "/v1/responses": {"model": "m", "input": [said]},
    }.get(path, {"contents": [{"parts": [part]}]})
    answer = http.post(path, content=json.dumps(body).replace(FILE, file))
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"{where}: the file {file} has 4 bytes; 3 is the most"
