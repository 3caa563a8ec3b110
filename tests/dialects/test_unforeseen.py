"""A defect of the server's own: each dialect's own body, with the request's id and nothing else, and one log record."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from insitu.engine import Engine, RunningExecution
from insitu.functions.deployed import Deployed
from insitu.turn.guard import Guard
from insitu.types import Event
from tests.support.model import ScriptedModel
from tests.support.responses import run

Json = dict[str, Any]
Make = Callable[[str], Json]

SECRET = "/a/secret/path"
QUESTION = "How much is it?"
CHAT = {"model": "m", "messages": [{"role": "user", "content": QUESTION}], "tools": [{"type": "code_interpreter"}]}
RESPONSE = {"model": "m", "input": QUESTION, "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}
MESSAGE = {
    "model": "m",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": QUESTION}],
    "tools": [{"type": "code_execution_20250825", "name": "code_execution"}],
}
CONTENTS = {"contents": [{"parts": [{"text": QUESTION}]}], "tools": [{"codeExecution": {}}]}
INTERACTION = {"model": "m", "input": QUESTION, "tools": [{"type": "code_execution"}]}
ANTHROPIC = {"anthropic-version": "2023-06-01"}


def text(request_id: str) -> str:
    return f"something went wrong in the server (its log says more under {request_id})"


def of_native(request_id: str) -> Json:
    hint = f"its log says more under {request_id}"
    told = {"message": "something went wrong in the server", "hint": hint, "request_id": request_id}
    return {"error": {"type": "server_error", "code": "internal", **told}}


def of_openai(request_id: str) -> Json:
    error = {"type": "server_error", "code": "internal", "message": text(request_id), "param": None}
    return {"error": {**error, "request_id": request_id}}


def of_anthropic(request_id: str) -> Json:
    error = {"type": "api_error", "message": text(request_id), "details": {"error_code": "internal"}}
    return {"type": "error", "error": error, "request_id": request_id}


def of_gemini(request_id: str) -> Json:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INTERNAL", "domain": "insitu"}
    details = [{**info, "metadata": {"request_id": request_id}}]
    return {"error": {"code": 500, "message": text(request_id), "status": "INTERNAL", "details": details}}


def of_interactions(request_id: str) -> Json:
    return {"error": {"code": "internal", "message": text(request_id), "status": "INTERNAL"}}


def of_aws(request_id: str) -> Json:
    return {"Type": "Service", "Message": text(request_id), "message": text(request_id)}


WHOLE: dict[str, tuple[str, Json, Make]] = {
    "chat": ("/v1/chat/completions", CHAT, of_openai),
    "responses": ("/v1/responses", RESPONSE, of_openai),
    "anthropic": ("/v1/messages", MESSAGE, of_anthropic),
    "gemini": ("/v1beta/models/m:generateContent", CONTENTS, of_gemini),
    "interactions": ("/v1beta/interactions", INTERACTION, of_interactions),
}
STREAMED: dict[str, tuple[str, Json, Make]] = {
    "chat": ("/v1/chat/completions", {**CHAT, "stream": True}, of_openai),
    "anthropic": ("/v1/messages", {**MESSAGE, "stream": True}, of_anthropic),
    "gemini": ("/v1beta/models/m:streamGenerateContent?alt=sse", CONTENTS, of_gemini),
}


@pytest.fixture
def break_turn(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Has turns fail once the model has taken so many steps."""
    spent = Guard.spent

    def break_at(step: int) -> None:
        def failing(guard: Guard) -> Any:
            if guard.usage.steps == step:
                raise ZeroDivisionError(SECRET)
            return spent(guard)

        monkeypatch.setattr(Guard, "spent", failing)

    return break_at


def broken(*args: Any, **options: Any) -> Any:
    raise ZeroDivisionError(SECRET)


def events_of(answer: httpx2.Response) -> list[Json]:
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def check_log(caplog: pytest.LogCaptureFixture, request_id: str) -> None:
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (record.name, record.getMessage()) == ("insitu.server", f"request {request_id} failed")
    assert record.exc_info and str(record.exc_info[1]) == SECRET


def check(answer: httpx2.Response, body: Json, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    request_id = answer.headers["x-request-id"]
    assert body == make(request_id)
    assert SECRET not in answer.text
    check_log(caplog, request_id)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_before_the_first_event_it_is_an_http_error(
    http: httpx2.Client, name: str, streamed: bool, break_turn: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    path, body, make = (STREAMED if streamed else WHOLE).get(name) or WHOLE[name]
    break_turn(0)
    answer = http.post(path, json=body, headers=ANTHROPIC if name == "anthropic" else {})
    assert (answer.status_code, answer.headers["x-should-retry"]) == (500, "false")
    check(answer, answer.json(), make, caplog)


@pytest.mark.parametrize(("name", "status"), {"chat": 424, "anthropic": 424, "gemini": 400}.items())
def test_once_code_has_run_it_is_not_to_be_sent_again(
    http: httpx2.Client,
    model: ScriptedModel,
    name: str,
    status: int,
    break_turn: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, body, _ = WHOLE[name]
    break_turn(1)
    model.script(run("6*7"))
    answer = http.post(path, json=body, headers=ANTHROPIC if name == "anthropic" else {})
    assert (answer.status_code, answer.headers["x-should-retry"]) == (status, "false")
    said = "something went wrong in the server (code has run already, and would run again if this were sent again)"
    assert answer.json()["error"]["message"] == said
    assert SECRET not in answer.text
    check_log(caplog, answer.headers["x-request-id"])


@pytest.mark.parametrize("name", STREAMED)
def test_in_the_midst_of_a_stream_it_is_the_last_event(
    http: httpx2.Client,
    model: ScriptedModel,
    name: str,
    break_turn: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, body, make = STREAMED[name]
    break_turn(1)
    model.script(run("6*7"))
    answer = http.post(path, json=body, headers=ANTHROPIC if name == "anthropic" else {})
    assert answer.status_code == 200
    check(answer, events_of(answer)[-1], make, caplog)


def test_a_response_has_failed_and_says_so_when_it_is_fetched_again(
    http: httpx2.Client, model: ScriptedModel, break_turn: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    break_turn(1)
    model.script(run("6*7"))
    answer = http.post("/v1/responses", json={**RESPONSE, "stream": True})
    last = events_of(answer)[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    request_id = answer.headers["x-request-id"]
    stored = http.get(f"/v1/responses/{last['response']['id']}").json()
    assert last["response"]["error"] == stored["error"] == {"code": "server_error", "message": text(request_id)}
    assert SECRET not in answer.text
    check_log(caplog, request_id)


def test_an_interaction_has_failed_and_says_so_when_it_is_fetched_again(
    http: httpx2.Client, model: ScriptedModel, break_turn: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    break_turn(1)
    model.script(run("6*7"))
    answer = http.post("/v1beta/interactions", json={**INTERACTION, "stream": True})
    *_, told, last = events_of(answer)
    request_id = answer.headers["x-request-id"]
    stored = http.get(f"/v1beta/interactions/{last['interaction']['id']}").json()
    assert stored["errors"] == [told["error"]] == [{"code": "internal", "message": text(request_id)}]
    assert SECRET not in answer.text
    check_log(caplog, request_id)


def test_native_executions_are_answered_in_the_servers_own_form(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Engine, "start", broken)
    answer = http.post("/v1/execute", json={"code": "1"})
    assert answer.status_code == 500
    check(answer, answer.json(), of_native, caplog)


def test_a_native_stream_ends_in_the_same_body(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    events = RunningExecution.events

    async def broken_off(execution: RunningExecution, after: int = 0) -> AsyncIterator[Event]:
        async for event in events(execution, after):
            yield event
            raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(RunningExecution, "events", broken_off)
    answer = http.post("/v1/execute", json={"code": "1", "stream": True})
    assert answer.status_code == 200
    check(answer, events_of(answer)[-1], of_native, caplog)


def test_a_call_of_a_batch_is_refused_with_the_same_body(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Engine, "start", broken)
    answer = http.post("/v1/batch", json={"calls": [{"execute": {"code": "1"}}]})
    [item] = answer.json()["items"]
    assert (answer.status_code, item["status"]) == (200, "refused")
    check(answer, {"error": item["error"]}, of_native, caplog)


def test_a_function_of_aws_is_answered_in_aws_form(
    http: httpx2.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Deployed, "find", broken)
    answer = http.get("/2015-03-31/functions/some")
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (500, "ServiceException")
    request_id = answer.headers["x-request-id"]
    assert answer.headers["x-amzn-requestid"] == str(uuid.UUID(request_id.removeprefix("req_")))
    check(answer, answer.json(), of_aws, caplog)
