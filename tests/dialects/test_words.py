"""What one dialect's errors say is not in the words of another."""

from __future__ import annotations

import httpx2
import pytest


@pytest.mark.parametrize("field", ["session_id", "policy", "limits"])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1beta/interactions"])
def test_fields_of_the_native_api_are_as_unknown_as_others(http: httpx2.Client, path: str, field: str) -> None:
    answer = http.post(path, json={"model": "m", "input": "x", "max_tokens": 1, "messages": [], field: {}})
    assert answer.status_code == 400
    assert f"{field}: there is no such field" in answer.json()["error"]["message"]
