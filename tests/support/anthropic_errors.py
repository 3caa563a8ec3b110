"""What Anthropic's clients are told when something goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from anthropic import APIStatusError

from tests.support import majors


def error_of(answer: httpx2.Response) -> dict[str, Any]:
    """The error of an answer, of which every member is there."""
    body = answer.json()
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    assert set(body["error"]) == {"type", "message", "details"}
    error: dict[str, Any] = body["error"]
    return error


def refused(call: Callable[[], object], status: int = 400) -> APIStatusError:
    """The exception that a call of Anthropic's client ends with, which has read all that the answer says."""
    with pytest.raises(APIStatusError) as caught:
        call()
    exc = caught.value
    error = error_of(exc.response)
    assert exc.status_code == status
    assert exc.request_id == exc.response.headers["request-id"]
    assert (exc.type, exc.body) == (error["type"], exc.response.json())
    if not majors.OTHERS:  # which have none of the two
        assert (exc.api_message, exc.error_code) == (error["message"], error["details"]["error_code"])
    return exc
