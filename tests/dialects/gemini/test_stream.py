"""streamGenerateContent, which Google's own client reads line by line."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

import anyio
import httpx2
import pytest
from google import genai
from google.genai import errors, types

from tests.dialects.conftest import KEYS
from tests.support.gemini import ask, config, kinds, parts, stream
from tests.support.model import ScriptedModel, broken, call, fail, hang, say
from tests.support.responses import run

from .conftest import Connect

pytestmark = pytest.mark.client("google-genai")

UNTIL_TOLD = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('told')"
SLOW = "import time; time.sleep(0.5)\nprint(42)"


@pytest.mark.shows("stream")
def test_the_parts_come_in_the_order_in_which_they_are_made(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("print(42)\nopen('a.txt', 'w').write('1')", text="Let me see."), say("It is 42."))
    pieces = stream(gemini)
    said = [part for piece in pieces for part in parts(piece) if part.text != ""]
    assert "".join(part.text for part in said if part.text) == "Let me see.It is 42."
    order = kinds(said)
    assert [kind for place, kind in enumerate(order) if kind != order[place - 1]] == [
        "text",
        "executable_code",
        "code_execution_result",
        "text",
        "inline_data",
    ]
    reasons = [piece.candidates[0].finish_reason for piece in pieces if piece.candidates]
    assert reasons == [None] * (len(pieces) - 1) + [types.FinishReason.STOP]
    usage = pieces[-1].usage_metadata
    assert usage and usage.total_token_count == 30
    assert {(piece.response_id, piece.model_version) for piece in pieces} == {(pieces[0].response_id, "m")}


def test_code_is_told_before_it_has_ended(gemini: genai.Client, http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(run(UNTIL_TOLD, text="Let me see."), say("Done."))
    pieces = gemini.models.generate_content_stream(model="m", contents="How much?", config=config())
    made = (part for piece in pieces for part in parts(piece) if part.text != "")
    before: list[types.Part] = []
    while not before or not before[-1].executable_code:
        before.append(next(made))
    assert "".join(part.text or "" for part in before) == "Let me see."
    container = (before[-1].thought_signature or b"").decode().removeprefix("insitu:")
    http.post(f"/v1/containers/{container}/files", files={"file": ("go", b"")}).raise_for_status()
    result, *after = made
    assert result.code_execution_result and result.code_execution_result.output == "told"
    assert "".join(part.text or "" for part in after) == "Done."


def test_ends_of_lines_that_only_python_knows_end_no_part(gemini: genai.Client, model: ScriptedModel) -> None:
    text = "a\u2028b\u2029c\x85d"
    model.script(run(f"print({text!r})"), say(text))
    said = [part for piece in stream(gemini) for part in parts(piece)]
    assert [part.code_execution_result.output for part in said if part.code_execution_result] == [text]
    assert "".join(part.text or "" for part in said) == text


@pytest.mark.shows("silence")
def test_silence_is_filled_with_what_the_client_can_read(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run(SLOW), say("Done."))
    pieces = stream(gemini)
    empty = [place for place, piece in enumerate(pieces) if [part.text for part in parts(piece)] == [""]]
    code = next(place for place, piece in enumerate(pieces) if piece.executable_code)
    assert any(code < place < len(pieces) - 1 for place in empty)


@pytest.mark.shows("silence")
async def test_the_asynchronous_client_reads_the_same(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run(SLOW), say("Done."))
    found = [
        part
        async for piece in await gemini.aio.models.generate_content_stream(
            model="m", contents="How much?", config=config()
        )
        for part in parts(piece)
    ]
    assert "" in [part.text for part in found[:-1]]
    assert "".join(part.text for part in found if part.text) == "Done."
    assert [part.code_execution_result.output for part in found if part.code_execution_result] == ["42"]
    await gemini.aio.aclose()


def test_calls_of_the_clients_functions_are_streamed_whole(gemini: genai.Client, model: ScriptedModel) -> None:
    weather = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather")])
    model.script(call(("weather", {"city": "Ulm"})))
    pieces = list(gemini.models.generate_content_stream(model="m", contents="Hm?", config=config(weather)))
    (called,) = (part.function_call for piece in pieces for part in parts(piece) if part.function_call)
    assert (called.name, called.args) == ("weather", {"city": "Ulm"})


def test_an_error_before_the_first_part_is_a_plain_one(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(fail(400, {"error": {"message": "what?"}}))
    with pytest.raises(errors.ClientError) as caught:
        stream(gemini)
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")


@pytest.mark.shows("errors")
def test_an_error_in_the_midst_is_raised_by_the_client(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("print(1)"), broken(say("Never whole, never."), 3))
    with pytest.raises(errors.APIError) as caught:
        stream(gemini)
    assert (caught.value.code, caught.value.status) == (503, "UNAVAILABLE")


@pytest.mark.shows("leaving")
async def test_a_client_that_leaves_ends_turn_and_upstream(
    url: str, connect_genai: Connect, model: ScriptedModel
) -> None:
    model.script(run("6*7"), hang(say("It is 42 indeed."), after=3))
    client = connect_genai(url).aio
    pieces = await client.models.generate_content_stream(model="m", contents="How much?", config=config())
    async for piece in pieces:
        if any("42" in (part.text or "") for part in parts(piece)):
            break
    assert not model.requests[1].closed.is_set()
    await client.aclose()
    await model.wait_closed(1)


def test_a_connection_that_breaks_ends_the_turn(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(hang(say("Let me see, and see."), 3))
    body = {"contents": [{"parts": [{"text": "Hm?"}]}], "tools": [{"codeExecution": {}}]}
    with http.stream("POST", "/v1beta/models/m:streamGenerateContent?alt=sse", json=body) as response:
        lines = response.iter_lines()
        assert next(lines).startswith('data: {"candidates"')
    anyio.run(model.wait_closed, 0)


@pytest.mark.shows("silence")
def test_the_stream_has_data_lines_and_nothing_else(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(run(SLOW), say("Done."))
    body = {"contents": "Hm?", "tools": [{"code_execution": {}}]}
    answer = http.post("/v1beta/models/m:streamGenerateContent?alt=sse", json=body)
    lines = [line for line in answer.text.split("\n") if line]
    assert all(line.startswith('data: {"candidates"') for line in lines)
    said = [json.loads(line[6:])["candidates"][0]["content"]["parts"] for line in lines]
    assert [{"text": ""}] in said


class Commenting(BaseHTTPRequestHandler):
    """Answers with a stream that has a comment in it."""

    def do_POST(self) -> None:
        event = json.dumps({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi."}]}}]})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(f"data: {event}\n\n: keep-alive\n\ndata: {event}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_the_client_still_fails_at_comments(connect_genai: Connect) -> None:
    with HTTPServer(("127.0.0.1", 0), Commenting) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        pieces = connect_genai(f"http://127.0.0.1:{server.server_port}").models.generate_content_stream(
            model="m", contents="Hm?"
        )
        assert next(pieces).text == "Hi."
        with pytest.raises(errors.UnknownApiResponseError):
            next(pieces)
        thread.join()


def test_without_sse_the_stream_is_refused(http: httpx2.Client) -> None:
    answer = http.post("/v1beta/models/m:streamGenerateContent", json={"contents": "Hm?"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "alt=sse" in answer.json()["error"]["message"]


def test_keys_are_taken_from_googles_header_alone_or_as_a_bearer(
    url: str, connect_genai: Connect, model: ScriptedModel, serve: Callable[..., str]
) -> None:
    body = {"contents": "Hm?"}
    for headers in ({"x-goog-api-key": KEYS[0]}, {"authorization": f"Bearer {KEYS[0]}"}):
        model.script(say("Hi."))
        assert httpx2.post(f"{url}/v1beta/models/m:generateContent", json=body, headers=headers).status_code == 200
    with pytest.raises(errors.ClientError) as caught:
        ask(connect_genai(url, "unknown"))
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
