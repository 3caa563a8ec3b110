"""Every exception has a status, and only those raised on purpose are told."""

from __future__ import annotations

import json
import logging

import pytest

from insitu import errors
from insitu.types import Invocation
from insitu.web.errors import described, error_answer

STATUSES = {
    errors.InvalidRequest("x"): 422,
    errors.OverCeiling("cpus", 2, 1): 422,
    errors.IsFolder("x"): 422,
    errors.Unauthorized("x"): 401,
    errors.Forbidden("x"): 403,
    errors.NotFound("x"): 404,
    errors.SessionNotFound("x"): 404,
    errors.FileMissing("x"): 404,
    errors.PathRefused("x", "y"): 422,
    errors.TooLarge("x"): 413,
    errors.WorkspaceFull("x", 1): 413,
    errors.Conflict("x"): 409,
    errors.InvocationFailed(Invocation("inv_0", "f", 1, "done", 0.0, "timeout")): 422,
    errors.QuotaExceeded("x"): 429,
    errors.ServerFull("x"): 503,
    errors.SandboxFailed("x"): 500,
    errors.IsolationUnavailable("x", "y"): 500,
    errors.StoreFailed("x"): 500,
    errors.ServerUnreachable("x"): 500,
    errors.EngineClosed("x"): 503,
    errors.UpstreamRefused("x"): 400,
    errors.NoUpstream(): 501,
    errors.UpstreamFailed("x"): 502,
    errors.UpstreamLoops("x"): 508,
    errors.UpstreamBusy("x"): 429,
    errors.UpstreamTimeout("x"): 504,
    errors.AnswerFailed("x"): 500,
    errors.Unforeseen("req_1"): 500,
}


def test_every_exception_is_answered() -> None:
    families = {errors.InsituError, errors.CallerError, errors.ServiceError}
    known = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.InsituError)}
    assert {type(exc) for exc in STATUSES} == known - families


@pytest.mark.parametrize("exc", STATUSES, ids=lambda exc: type(exc).__name__)
def test_the_status_and_the_body_follow_from_the_exception(exc: errors.InsituError) -> None:
    answer = error_answer(exc, "req_1")
    assert answer.status_code == STATUSES[exc]
    error = json.loads(bytes(answer.body))["error"]
    assert (error["code"], error["message"], error["request_id"]) == (exc.code, exc.message, "req_1")
    assert error.get("hint") == exc.hint


@pytest.mark.parametrize(("seconds", "header"), [(0, "1"), (0.2, "1"), (1.2, "2"), (30, "30")])
def test_retry_after_is_whole_seconds(seconds: float, header: str) -> None:
    for exc in (
        errors.QuotaExceeded("x", retry_after_s=seconds),
        errors.ServerFull("x", retry_after_s=seconds),
    ):
        assert error_answer(exc, "req_1").headers["retry-after"] == header


def test_of_the_unforeseen_only_the_log_tells(caplog: pytest.LogCaptureFixture) -> None:
    defect = RuntimeError("a secret path")
    with caplog.at_level(logging.ERROR, "insitu.server"):
        error = errors.foreseen(defect, "req_1")
        assert errors.foreseen(error, "req_1") is error
    told = described(defect, "req_1")
    assert told == described(error, "req_1")
    assert (told.status, told.code, told.headers) == (500, "internal", {"x-should-retry": "false"})
    assert told.text == "something went wrong in the server (its log says more under req_1)"
    [record] = caplog.records
    assert (record.getMessage(), record.exc_info and record.exc_info[1]) == ("request req_1 failed", defect)
