"""What goes to the model server and back untouched: plain chat completions, and whatever else is sent there."""

from __future__ import annotations

import gzip
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import anyio
import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from insitu.settings import Settings
from tests.support.chat import PLAIN, ask
from tests.support.model import ScriptedModel, broken, fail, garbage, hang, say
from tests.support.serving import exchange, serving

CHAT = "/v1/chat/completions"
KEY = {"authorization": "Bearer one"}
EVENTS = b'data: {"choices": [], "own": "\xff"}\n\n: comment\n\nevent: odd\r\ndata:no json\n\n'


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "m",  "messages": [], "tools": [{"type": "web_search"}], "n": 3, "unknown": 1.0}',
        b'{"model": "m", "code_interpreter_": true, "messages": [{"content": "\\ud800"}]}',
        b"{nonsense",
        b"[]",
        b"",
    ],
)
def test_a_plain_request_and_its_answer_are_not_touched(http: httpx2.Client, model: ScriptedModel, body: bytes) -> None:
    if body.startswith(b'{"'):
        model.script(fail(418, b"\x00\xffanything", {"content-type": "x/y", "x-own": "kept"}))
    answer = http.post(CHAT, content=body, headers={"content-type": "application/json; odd"})
    [received] = model.requests
    assert (received.method, received.path, received.raw) == ("POST", CHAT, body)
    assert received.headers["content-type"] == "application/json; odd"
    if body.startswith(b'{"'):
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (418, b"\x00\xffanything", "x/y")
        assert answer.headers["x-own"] == "kept"
    else:
        assert answer.status_code == 400 and answer.json()["error"]["message"] == "The body is no JSON object."


def test_a_stream_is_not_touched(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(garbage(EVENTS))
    answer = http.post(CHAT, json={**PLAIN, "stream": True})
    assert (answer.content, answer.headers["content-type"]) == (EVENTS, "text/event-stream; charset=utf-8")


def test_what_is_compressed_stays_so(http: httpx2.Client, model: ScriptedModel) -> None:
    packed = gzip.compress(b'{"own": 1}')
    model.script(fail(200, packed, {"content-encoding": "gzip", "content-type": "application/json"}))
    with http.stream("POST", CHAT, json=PLAIN, headers={"accept-encoding": "gzip, odd"}) as answer:
        assert b"".join(answer.iter_raw()) == packed
    assert answer.headers["content-encoding"] == "gzip"
    assert model.requests[0].headers["accept-encoding"] == "gzip, odd"


def test_a_client_that_takes_nothing_compressed_is_sent_nothing_compressed(url: str, model: ScriptedModel) -> None:
    answer = exchange(
        url, b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer one\r\nContent-Length: 0\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert model.requests[0].headers.keys() == {"host", "content-length", "insitu-through"}


@pytest.mark.parametrize("streamed", [False, True])
def test_the_official_client_sees_no_difference(client: OpenAI, model: ScriptedModel, streamed: bool) -> None:
    model.script(say("It is 42."), say("It is 42."))
    bodies = []
    with OpenAI(base_url=model.url, api_key="none") as there:
        for made in (client, there):
            completions = made.chat.completions.with_streaming_response
            with completions.create(**{**PLAIN, "stream": streamed}) as answer:
                bodies.append(re.sub(rb"chatcmpl-\d+", b"", answer.read()))
    assert bodies[0] == bodies[1]
    assert b"It is 42" in bodies[0]


def test_only_the_key_and_what_belongs_to_the_connection_is_another(
    settings: Callable[..., Settings], model: ScriptedModel
) -> None:
    sent = {
        "authorization": "Bearer one",
        "cookie": "theirs",
        "x-own": "kept",
        "user-agent": "odd/1",
        "connection": "keep-alive, x-of-the-connection",
        "x-of-the-connection": "1",
        "trailer": "x",
        "proxy-authorization": "Basic x",
        "openai-organization": "org",
        "openai-project": "project",
    }
    with serving(settings(upstream_api_key="the-operators")) as url:
        httpx2.post(f"{url}/v1/embeddings", content=b"x", headers=sent)
    received = model.requests[0].headers
    assert received["authorization"] == "Bearer the-operators"
    assert received["host"] == httpx2.URL(model.url).netloc.decode()
    assert (received["x-own"], received["user-agent"]) == ("kept", "odd/1")
    assert not {"cookie", "trailer", "proxy-authorization", "x-of-the-connection"} & received.keys()
    assert not {"openai-organization", "openai-project"} & received.keys()


@pytest.mark.parametrize(("forward", "key", "project"), [(False, None, None), (True, "Bearer one", "mine")])
def test_the_callers_key_goes_upstream_only_if_the_operator_says_so(
    settings: Callable[..., Settings], model: ScriptedModel, forward: bool, key: str | None, project: str | None
) -> None:
    with serving(settings(upstream_forward_key=forward)) as url:
        httpx2.post(f"{url}/v1/embeddings", content=b"x", headers={"x-api-key": "one", "openai-project": "mine"})
    received = model.requests[0].headers
    assert (received.get("authorization"), received.get("openai-project")) == (key, project)
    assert "x-api-key" not in received


def test_what_the_model_server_says_to_browsers_is_left_out(http: httpx2.Client, model: ScriptedModel) -> None:
    said = {
        "set-cookie": "a=b",
        "strict-transport-security": "max-age=1",
        "alt-svc": "clear",
        "clear-site-data": '"*"',
        "service-worker-allowed": "/",
        "access-control-allow-origin": "*",
        "access-control-allow-credentials": "true",
    }
    model.script(fail(200, "x", {**said, "x-request-id": "theirs"}))
    headers = http.post(CHAT, json=PLAIN).headers
    assert not said.keys() & headers.keys()
    assert (headers["x-request-id"][:4], headers["x-upstream-request-id"]) == ("req_", "theirs")
    assert len(headers.get_list("date")) == 1


def test_a_page_of_the_model_server_cannot_act_as_one_of_this_server(http: httpx2.Client, model: ScriptedModel) -> None:
    page = "<script>fetch('/v1/sessions')</script>"
    model.script(fail(200, page, {"content-type": "text/html", "content-security-policy": "default-src *"}))
    answer = http.post(CHAT, json=PLAIN)
    assert (answer.text, answer.headers["content-type"]) == (page, "text/html")
    assert answer.headers.get_list("content-security-policy") == ["sandbox; default-src 'none'"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"999 X\r\ncontent-length: 1", "the model server answered with the status 999, which HTTP does not have"),
        (b"600 X\r\ncontent-length: 1", "the model server answered with the status 600, which HTTP does not have"),
        (b"200 X\r\ncontent-length: 1\r\ncontent-length: 2", "conflicting Content-Length headers"),
    ],
)
def test_an_answer_that_is_no_http_is_a_failure_there(serve: Callable[..., str], head: bytes, message: str) -> None:
    with answering(b"HTTP/1.1 " + head + b"\r\n\r\nx") as address:
        answer = httpx2.post(f"{serve(upstream=address)}/v1/embeddings", headers=KEY, timeout=50)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("head", "body", "read"),
    [
        (b"200 OK\r\ncontent-length: 99\r\ntransfer-encoding: chunked", b"1\r\nx\r\n0\r\n\r\n", (200, "x")),
        (b"204 No Content\r\ncontent-length: 1", b"x", (204, "")),
    ],
)
def test_a_length_that_does_not_count_is_left_out(
    serve: Callable[..., str], head: bytes, body: bytes, read: tuple[int, str]
) -> None:
    with answering(b"HTTP/1.1 " + head + b"\r\n\r\n" + body) as address:
        with httpx2.Client(base_url=serve(upstream=address), headers=KEY) as client:
            answer = client.post("/v1/embeddings")
            assert client.get("/healthz").status_code == 200
    assert (answer.status_code, answer.text, "content-length" in answer.headers) == (*read, False)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that answers one request, with exactly these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join()


def test_no_cookie_of_the_model_server_is_kept(http: httpx2.Client, client: OpenAI, model: ScriptedModel) -> None:
    model.script(fail(200, "x", {"set-cookie": "of=another; Path=/"}), say("42"))
    http.post(CHAT, json=PLAIN)
    ask(client)
    assert "cookie" not in model.requests[1].headers


async def test_a_large_body_goes_through_piece_by_piece(async_http: httpx2.AsyncClient, model: ScriptedModel) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(48):
            yield b"x" * (1 << 20)

    answer = await async_http.post("/v1/audio/transcriptions", content=pieces())
    assert (len(answer.content), answer.content == b"x" * len(answer.content)) == (48 << 20, True)
    assert model.requests[0].headers["transfer-encoding"] == "chunked"


async def test_a_client_that_leaves_while_it_sends_is_no_request(url: str, model: ScriptedModel) -> None:
    head = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer one\r\nContent-Length: 100\r\n\r\nsome"
    address = httpx2.URL(url)
    async with await anyio.connect_tcp(address.host, address.port or 0) as connection:
        await connection.send(head)
    assert (await anyio.to_thread.run_sync(httpx2.get, f"{url}/healthz")).status_code == 200
    assert model.requests == []


@pytest.mark.parametrize("after", [None, 0, 3])
async def test_a_client_that_leaves_ends_its_request_there(
    async_http: httpx2.AsyncClient, model: ScriptedModel, after: int | None
) -> None:
    model.script(hang(say("It is 42 indeed."), after=after))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: async_http.post(CHAT, json={**PLAIN, "stream": True}))
        await model.wait_received(0)
        tasks.cancel_scope.cancel()
    await model.wait_closed(0)


async def test_a_reader_that_leaves_ends_its_stream_there(async_client: AsyncOpenAI, model: ScriptedModel) -> None:
    model.script(hang(say("It is 42 indeed."), after=3))
    chunks = cast("Any", await async_client.chat.completions.create(**PLAIN, stream=True))
    assert [(await anext(chunks)).choices[0].delta.content for _ in range(3)] == ["", "It is 42", " indeed."]
    assert not model.requests[0].closed.is_set()
    await chunks.close()
    await model.wait_closed(0)


def test_an_answer_that_breaks_off_there_breaks_off_here(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(broken(say("It is 42 indeed."), after=3))
    with http.stream("POST", CHAT, json={**PLAIN, "stream": True}) as answer:
        with pytest.raises(httpx2.RemoteProtocolError):
            answer.read()


def test_a_model_server_that_is_not_there_is_told_of(serve: Callable[..., str], connect: Callable[..., OpenAI]) -> None:
    client = connect(serve(upstream="http://127.0.0.1:1/v1"))
    for request in (client.models.list, lambda: client.embeddings.create(model="m", input="x")):
        with pytest.raises(
            openai.InternalServerError, match=r"at http://127\.0\.0\.1:1/v1 cannot be reached"
        ) as caught:
            request()
        assert (caught.value.status_code, caught.value.code, caught.value.param) == (502, "upstream_failed", None)


def test_a_model_server_that_says_nothing_is_told_of(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    model.script(hang(after=None))
    with pytest.raises(openai.InternalServerError, match="did not answer in time") as caught:
        connect(serve(upstream_timeout_s=0.2)).chat.completions.create(**PLAIN)
    assert (caught.value.status_code, caught.value.code) == (504, "upstream_timeout")
