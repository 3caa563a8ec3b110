"""What no insitu server does, but what stands in its place may: answers from a bare socket."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress

import pytest

import insitu
from insitu.client.answers import rebuilt

ERROR = {"type": "server_error", "message": "no room", "hint": "wait", "request_id": "req_1"}


class Impostor:
    """A server that gives one prepared answer to each connection, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer = b""
        self.asked: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            with connection:
                request = connection.recv(65536)
                if not request:
                    return
                self.asked.append(request)
                connection.sendall(self.answer)
                # Closing with bytes unread would reset the connection, and take the answer with it.
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

    def close(self) -> None:
        socket.create_connection(self.socket.getsockname()).close()
        self.thread.join()
        self.socket.close()


@pytest.fixture
def impostor() -> Iterator[Impostor]:
    server = Impostor()
    yield server
    server.close()


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def error(status: str, code: str, *headers: str) -> bytes:
    return http(status, json.dumps({"error": {**ERROR, "code": code}}).encode(), *headers)


def raised(impostor: Impostor, answer: bytes) -> insitu.InsituError:
    impostor.answer = answer
    with insitu.Client(impostor.url) as client:
        with pytest.raises(insitu.InsituError) as caught:
            client.run("1")
    return caught.value


def every_class(root: type[insitu.InsituError]) -> Iterator[type[insitu.InsituError]]:
    yield root
    for child in root.__subclasses__():
        yield from every_class(child)


@pytest.mark.parametrize("cls", [c for c in every_class(insitu.InsituError) if "code" in vars(c)])
def test_every_code_comes_back_as_its_class(cls: type[insitu.InsituError]) -> None:
    exc = rebuilt({**ERROR, "code": cls.code})
    assert exc.code == cls.code
    assert isinstance(exc, cls)
    assert exc.retry_after_s == cls.retry_after_s
    assert str(exc) == "no room\n  hint: wait"
    assert exc.__notes__ == ["request id: req_1"]


def test_a_code_that_two_classes_share_is_the_narrower_one() -> None:
    assert type(rebuilt({**ERROR, "code": "invalid_request"})) is insitu.InvalidRequest


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        ("401 No", insitu.Unauthorized),
        ("403 No", insitu.Forbidden),
        ("404 No", insitu.NotFound),
        ("413 No", insitu.TooLarge),
        ("418 No", insitu.CallerError),
        ("422 No", insitu.InvalidRequest),
        ("429 No", insitu.QuotaExceeded),
        ("500 No", insitu.ServiceError),
        ("503 No", insitu.ServerFull),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(
    impostor: Impostor, status: str, cls: type[insitu.InsituError]
) -> None:
    assert type(raised(impostor, error(status, "of_the_future"))) is cls


def test_retry_after_is_kept(impostor: Impostor) -> None:
    exc = raised(impostor, error("503 Full", "server_full", "Retry-After: 7"))
    assert isinstance(exc, insitu.ServerFull)
    assert exc.retry_after_s == 7.0


def test_retry_after_that_is_a_date_is_a_second(impostor: Impostor) -> None:
    exc = raised(impostor, error("429 Slow", "quota_exceeded", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"))
    assert isinstance(exc, insitu.QuotaExceeded)
    assert exc.retry_after_s == 1.0


@pytest.mark.parametrize("body", [b"<h1>Bad Gateway</h1>", b"[]", b'"x"', b'{"error": "x"}', b'{"error": {}}', b""])
def test_an_error_that_is_not_insitus_is_quoted(impostor: Impostor, body: bytes) -> None:
    exc = raised(impostor, http("502 Bad Gateway", body))
    assert type(exc) is insitu.ServiceError
    assert f"{impostor.url}/v1/execute answered 502 Bad Gateway, not as an insitu server does" in str(exc)


def test_a_stranger_says_nothing_of_what_was_asked_for_and_a_proxy_does(impostor: Impostor) -> None:
    for status, cls in (("404 No", insitu.ServiceError), ("405 No", insitu.ServiceError), ("413 No", insitu.TooLarge)):
        exc = raised(impostor, http(status, b"<h1>No</h1>"))
        assert (type(exc), exc.hint) == (cls, "is this the address of an insitu server?")


@pytest.mark.parametrize("body", [b"<h1>Welcome</h1>", b"[]", b"{}", b""])
def test_success_that_is_not_insitus_is_no_execution(impostor: Impostor, body: bytes) -> None:
    exc = raised(impostor, http("200 OK", body))
    assert type(exc) is insitu.ServiceError
    assert "answered 200 OK, not as an insitu server does" in str(exc)


def test_a_redirect_is_not_followed(impostor: Impostor) -> None:
    exc = raised(impostor, http("307 Elsewhere", b"", "Location: http://127.0.0.1:1/"))
    assert "answered 307 Elsewhere" in str(exc)


def test_a_connection_that_breaks_is_a_server_unreachable(impostor: Impostor) -> None:
    exc = raised(impostor, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    assert type(exc) is insitu.ServerUnreachable
    assert f"the connection to {impostor.url} broke" in str(exc)


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def test_a_stream_that_stops_early_is_a_server_unreachable(impostor: Impostor) -> None:
    impostor.answer = STREAM + b'id: 0\nevent: stdout\ndata: {"text": "a"}\n\n'
    with insitu.Client(impostor.url) as client:
        events = client.stream("1")
        assert next(events) == insitu.Event(0, "stdout", {"text": "a"})
        with pytest.raises(insitu.ServerUnreachable, match="stopped before the execution's end"):
            next(events)


def test_a_stream_carries_the_servers_error(impostor: Impostor) -> None:
    body = json.dumps({"error": {**ERROR, "code": "sandbox_failed"}}).encode()
    impostor.answer = STREAM + b": keep-alive\n\nevent: error\ndata: " + body + b"\n\n"
    with insitu.Client(impostor.url) as client:
        with pytest.raises(insitu.SandboxFailed, match="no room"):
            list(client.stream("1"))


def test_a_web_page_is_no_stream(impostor: Impostor) -> None:
    impostor.answer = http("200 OK", b"<h1>Welcome</h1>", "Content-Type: text/html")
    with insitu.Client(impostor.url) as client:
        with pytest.raises(insitu.InsituError, match="text/event-stream"):
            list(client.stream("1"))


def test_no_server_is_said_with_its_address_and_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with insitu.Client(url) as client:
        with pytest.raises(insitu.ServerUnreachable) as caught:
            client.health()
    assert caught.value.message.startswith(f"no insitu server answers at {url}: ")
    assert "`insitu serve`" in str(caught.value.hint)
    assert "httpx2" not in "".join(traceback.format_exception(caught.value))


def refuse_plainly(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, suppress(ConnectionError):
        connection.recv(65536)
        connection.sendall(http("400 Bad Request", b""))


def test_https_where_plain_http_is_spoken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        speaking = threading.Thread(target=refuse_plainly, args=(plain,))
        speaking.start()
        with insitu.Client(f"https://127.0.0.1:{plain.getsockname()[1]}") as client:
            with pytest.raises(insitu.ServerUnreachable) as caught:
                client.health()
        speaking.join()
    assert caught.value.hint == "what answers there speaks no TLS: if that is right, write the address with http://"


def test_a_silent_server_is_given_up(impostor: Impostor) -> None:
    # Accepted by the kernel, and never read: the impostor is busy with nobody.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with insitu.Client(f"http://127.0.0.1:{silent.getsockname()[1]}", read_timeout_s=0.05) as client:
            with pytest.raises(insitu.ServerUnreachable, match="broke: timed out"):
                client.health()


@pytest.mark.parametrize("url", ["127.0.0.1:8700", "ftp://host", "http://", "nonsense"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(insitu.InvalidRequest, match="is no server's address"):
        insitu.Client(url)


def test_address_and_key_come_from_the_environment(impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSITU_URL", f"{impostor.url}/")
    monkeypatch.setenv("INSITU_API_KEY", "secret")
    impostor.answer = http("200 OK", b'{"status": "ok"}')
    with insitu.Client() as client:
        assert client.url == impostor.url
        assert client.health() == {"status": "ok"}
    assert b"\r\nAuthorization: Bearer secret\r\n" in impostor.asked[0]


def test_arguments_win_over_the_environment(impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSITU_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("INSITU_API_KEY", "other")
    impostor.answer = http("200 OK", b'{"status": "ok"}')
    with insitu.Client(impostor.url, "secret") as client:
        client.health()
    assert b"\r\nAuthorization: Bearer secret\r\n" in impostor.asked[0]


def test_a_proxy_does_not_come_between_client_and_loopback(impostor: Impostor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    impostor.answer = http("200 OK", b'{"status": "ok"}')
    with insitu.Client(impostor.url) as client:
        assert client.health() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("a.txt", "a.txt"),
        ("a b/ü?#%41.txt", "a%20b/%C3%BC%3F%23%2541.txt"),
        ("../../execute", "%2E%2E/%2E%2E/execute"),
        ("/mnt/data/./a", "/mnt/data/%2E/a"),
    ],
)
def test_a_path_reaches_the_server_as_it_is(impostor: Impostor, path: str, sent: str) -> None:
    impostor.answer = error("404 No", "file_not_found")
    with insitu.Client(impostor.url) as client:
        with pytest.raises(insitu.NotFound):
            client_session(client).files.read(path)
    line = impostor.asked[0].split(b"\r\n")[0].decode()
    assert line == f"GET /v1/sessions/sess_1/files/{sent} HTTP/1.1"


def client_session(client: insitu.Client) -> insitu.ClientSession:
    return insitu.ClientSession(client._transport, "sess_1", ends_with_block=False)


CALLS: list[Callable[[insitu.Client], object]] = [
    lambda client: client.run("1"),
    lambda client: list(client.stream("1")),
    lambda client: client.session(),
    lambda client: client.sessions(),
    lambda client: client.health(),
    lambda client: client_session(client).run("1"),
    lambda client: client_session(client).files.write("a", "b"),
    lambda client: client_session(client).files.read("a"),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_client_says_so(call: Callable[[insitu.Client], object]) -> None:
    client = insitu.Client("http://127.0.0.1:1")
    client.close()
    with pytest.raises(insitu.EngineClosed, match="this client is closed"):
        call(client)


def sse(*events: Mapping[str, object]) -> bytes:
    return STREAM + b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def test_an_answer_that_stops_early_is_a_server_unreachable(impostor: Impostor) -> None:
    impostor.answer = sse({"type": "response.output_text.delta", "item_id": "m", "delta": "a"})
    with insitu.Client(impostor.url) as client, closing(client.ask_stream("?", model="m")) as events:
        assert next(events).text == "a"
        with pytest.raises(insitu.ServerUnreachable, match="stopped before the answer's end"):
            next(events)


@pytest.mark.parametrize(
    ("event", "error", "message"),
    [
        ({"type": "error", "code": "server_stopped", "message": "bye"}, insitu.ServiceError, "bye"),
        ({"type": "response.incomplete", "response": {"status": "cancelled"}}, insitu.AnswerFailed, "was cancelled"),
        ({"type": "response.completed", "response": {"status": "completed"}}, insitu.ServiceError, "cannot be read"),
        ({"type": "response.failed", "response": {}}, insitu.ServiceError, "'response.failed' cannot be read"),
    ],
)
def test_an_answer_that_ends_badly_is_an_exception(
    impostor: Impostor, event: Mapping[str, object], error: type[insitu.InsituError], message: str
) -> None:
    impostor.answer = sse(event)
    with insitu.Client(impostor.url) as client, pytest.raises(error, match=message):
        client.ask("?", model="m")
