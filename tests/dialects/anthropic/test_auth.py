"""Keys, in both of the headers that Anthropic's clients have sent them in."""

from __future__ import annotations

import httpx2
import pytest
from anthropic import Anthropic, AuthenticationError

from tests.dialects.conftest import KEYS
from tests.support.anthropic_errors import error_of, refused

pytestmark = pytest.mark.client("anthropic")

VERSION = {"anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEYS[0]}"},
        {"x-api-key": KEYS[0]},
        {"authorization": f"Bearer {KEYS[0]}", "x-api-key": KEYS[0]},
    ],
)
def test_a_key_may_come_in_either_header_or_in_both(url: str, headers: dict[str, str]) -> None:
    answer = httpx2.get(f"{url}/v1/models", headers={**headers, **VERSION})
    assert (answer.status_code, answer.json()["has_more"]) == (200, False)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "the request carries no key"),
        ({"authorization": "Bearer nobody's"}, "this key is not known here"),
        ({"x-api-key": "nobody's"}, "this key is not known here"),
        ({"authorization": f"Bearer {KEYS[0]}", "x-api-key": KEYS[1]}, "the request carries two different keys"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/files", "/v1/models", "/v1/messages"])
def test_without_one_known_key_nothing_is_answered(url: str, path: str, headers: dict[str, str], words: str) -> None:
    answer = httpx2.get(f"{url}{path}", headers={**headers, **VERSION})
    assert answer.status_code == 401
    error = error_of(answer)
    assert error["type"] == "authentication_error"
    assert error["message"].startswith(words)


@pytest.mark.shows("errors")
def test_the_client_tells_an_unknown_key_apart(url: str) -> None:
    for client in (Anthropic(base_url=url, api_key="x", max_retries=0), Anthropic(base_url=url, auth_token="x")):
        with client:
            exc = refused(client.models.list, 401)
            assert (type(exc), exc.type) == (AuthenticationError, "authentication_error")
            assert error_of(exc.response)["details"] == {"error_code": "unauthorized"}
