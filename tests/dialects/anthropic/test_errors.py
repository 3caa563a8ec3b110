"""What goes wrong, as Anthropic's clients read it."""

from __future__ import annotations

import httpx2
import orjson
import pytest
from fastapi.exceptions import HTTPException

from insitu import errors
from insitu.dialects.anthropic.errors import ThreadsUnsupported, anthropic_error
from insitu.web.errors import BodyStalled, CodeRan
from insitu.web.parameters import BadParameter
from tests.support.anthropic_errors import error_of
from tests.support.model import ScriptedModel

VERSION = {"anthropic-version": "2023-06-01"}
ANSWERS: list[tuple[Exception, int, str, str]] = [
    (BadParameter("model", "no"), 400, "invalid_request_error", "invalid_value"),
    (errors.Unauthorized("no"), 401, "authentication_error", "unauthorized"),
    (errors.Forbidden("no"), 403, "permission_error", "forbidden"),
    (errors.NotFound("no"), 404, "not_found_error", "not_found"),
    (HTTPException(405), 405, "invalid_request_error", "method_not_allowed"),
    (BodyStalled("no"), 408, "timeout_error", "body_stalled"),
    (errors.Conflict("no"), 409, "conflict_error", "conflict"),
    (errors.TooLarge("no"), 413, "request_too_large", "too_large"),
    (errors.QuotaExceeded("no"), 429, "rate_limit_error", "quota_exceeded"),
    (errors.UpstreamRefused("no", status=402), 402, "billing_error", "upstream_refused"),
    (errors.UpstreamRefused("no", status=422), 400, "invalid_request_error", "upstream_refused"),
    (errors.UpstreamBusy("no"), 429, "rate_limit_error", "upstream_busy"),
    (ZeroDivisionError(), 500, "api_error", "internal"),
    (errors.NoUpstream(), 501, "api_error", "no_upstream"),
    (errors.UpstreamFailed("no"), 502, "api_error", "upstream_failed"),
    (errors.UpstreamTimeout("no"), 504, "timeout_error", "upstream_timeout"),
    (errors.ServerFull("no", retry_after_s=3), 529, "overloaded_error", "server_full"),
    (CodeRan(errors.UpstreamFailed("no")), 424, "api_error", "turn_failed"),
]


@pytest.mark.parametrize(("exc", "status", "kind", "code"), ANSWERS, ids=lambda value: type(value).__name__)
def test_each_failure_has_anthropics_status_and_type(exc: Exception, status: int, kind: str, code: str) -> None:
    answer = anthropic_error(exc, "req_1")
    body = orjson.loads(bytes(answer.body))
    assert (answer.status_code, body["type"], body["request_id"]) == (status, "error", "req_1")
    assert (body["error"]["type"], body["error"]["details"]) == (kind, {"error_code": code})


def test_what_is_not_to_be_sent_again_says_so() -> None:
    final = {status for exc, status, *_ in ANSWERS if anthropic_error(exc, "r").headers.get("x-should-retry")}
    assert final == {424, 500, 501}


def test_a_full_server_says_when_to_ask_again() -> None:
    assert anthropic_error(errors.ServerFull("no", retry_after_s=3), "r").headers["retry-after"] == "3"


def test_what_to_do_about_it_stands_in_the_message() -> None:
    body = orjson.loads(bytes(anthropic_error(errors.NotFound("gone", hint="make a new one"), "r").body))
    assert body["error"]["message"] == "gone (make a new one)"


def test_threads_are_refused_in_the_words_that_clients_understand() -> None:
    answer = anthropic_error(ThreadsUnsupported(), "r")
    details = orjson.loads(bytes(answer.body))["error"]["details"]
    assert answer.status_code == 400
    assert details == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


@pytest.mark.parametrize(
    "path", ["/v1/messages/batches", "/v1/messages/batches/b/results", "/v1/files/a/b", "/v1/skills"]
)
def test_what_is_not_there_is_404_and_never_asked_of_the_model_server(
    http: httpx2.Client, model: ScriptedModel, path: str
) -> None:
    answer = http.get(path, headers=VERSION)
    assert (answer.status_code, error_of(answer)["type"]) == (404, "not_found_error")
    assert error_of(answer)["details"] == {"error_code": "route_not_found"}
    assert model.requests == []


def test_other_apis_ids_of_requests_stay_where_they_are(http: httpx2.Client) -> None:
    assert "request-id" not in http.get("/v1/sessions/none", headers=VERSION).headers
