"""Forms written out by hand, for what no client would send, and the errors that answer them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from openai import APIStatusError

BOUNDARY = "between-two-parts"
HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    """One part; ``disposition`` is what follows ``form-data; ``."""
    lines = [f"--{BOUNDARY}", f"Content-Disposition: form-data; {disposition}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content + b"\r\n"


def file_part(content: bytes = b"content", filename: str = "a.txt", *headers: str) -> bytes:
    """The part that is the file."""
    return part(f'name="file"; filename="{filename}"', content, *headers)


def field(name: str, value: str) -> bytes:
    """A part that is a plain field."""
    return part(f'name="{name}"', value.encode())


def form(*parts: bytes) -> bytes:
    """A whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def error_of(answer: httpx2.Response | APIStatusError) -> dict[str, Any]:
    """The error of an answer in OpenAI's form, of which every member is there."""
    response = answer.response if isinstance(answer, APIStatusError) else answer
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"]
    return error


def refused(call: Callable[[], object], status: int = 400) -> dict[str, Any]:
    """The error that a call of OpenAI's client ends with, in an answer of that status."""
    with pytest.raises(APIStatusError) as answer:
        call()
    assert answer.value.status_code == status
    return error_of(answer.value)
