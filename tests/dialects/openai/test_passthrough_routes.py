"""What goes to the model server: all that has no route here, below its base URL."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest
from openai import OpenAI

from insitu.settings import Settings
from tests.support.model import ScriptedModel
from tests.support.serving import exchange, serving

KEY = {"authorization": "Bearer one"}


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/audio/speech", "/v1/chat/completions/other", "/v1/x/y%2Fz/"])
@pytest.mark.parametrize("query", ["", "?a=b%20c&[d]=%7e"])
def test_whatever_has_no_route_goes_there(http: httpx2.Client, model: ScriptedModel, path: str, query: str) -> None:
    target = f"{path}{query}".encode()
    content = bytes(range(256)) * 8
    request = httpx2.Request(
        "POST", http.base_url, headers={**KEY, "content-type": "x/y"}, content=content, extensions={"target": target}
    )
    answer = http.send(request)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, "x/y")
    assert model.requests[0].path == target.decode()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_method_goes_there(http: httpx2.Client, model: ScriptedModel, method: str) -> None:
    assert http.request(method, "/v1/fine_tuning/jobs").status_code == 404
    assert [(received.method, received.path) for received in model.requests] == [(method, "/v1/fine_tuning/jobs")]


def test_the_official_client_reads_what_comes_back(client: OpenAI, model: ScriptedModel) -> None:
    echo = client.embeddings.with_raw_response.create(model="m", input="text")
    assert echo.headers["x-echo-path"] == "/v1/embeddings"
    assert model.requests[0].body["input"] == "text"


def test_a_base_url_may_have_any_path(settings: Callable[..., Settings], model: ScriptedModel) -> None:
    with serving(settings(upstream=f"{model.url}/openai/")) as url:
        httpx2.post(f"{url}/v1/embeddings?a=b", headers=KEY)
    assert model.requests[0].path == "/v1/openai/embeddings?a=b"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../healthz",
        "/v1/x/../../healthz",
        "/v1/%2e%2e/healthz",
        "/v1/%2E./healthz",
        "/v1/..%2fhealthz",
        "/v1/x%2f..%2f..%2fhealthz",
        "/v1/%252e%252e/healthz",
        "/v1/%25252525252e/healthz",
        "/v1/..%5chealthz",
        "/v1/..;/healthz",
        "/v1/./healthz",
        "/v1//evil.example/x",
        "/v1/",
        "/v1",
        "/v1%2Fembeddings",
        "//evil.example/v1/x",
        "/healthz/v1/x",
        "http://evil.example/v1/../x",
    ],
)
def test_no_path_leads_out_of_the_base_url(url: str, model: ScriptedModel, path: str) -> None:
    answer = exchange(url, f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer one\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert model.requests == []


def test_an_absolute_url_names_no_other_server(url: str, model: ScriptedModel) -> None:
    exchange(
        url, b"GET http://evil.example/v1/models HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer one\r\n\r\n"
    )
    [received] = model.requests
    assert (received.path, received.headers["host"]) == ("/v1/models", httpx2.URL(model.url).netloc.decode())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/execute"),
        ("PUT", "/v1/sessions"),
        ("POST", "/v1/environments"),
        ("GET", "/v1/chat/completions"),
        ("PUT", "/v1/responses"),
    ],
)
def test_a_route_with_another_method_does_not_go_there(
    http: httpx2.Client, model: ScriptedModel, method: str, path: str
) -> None:
    answer = http.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert model.requests == []


def test_this_servers_own_paths_do_not_go_there(http: httpx2.Client, model: ScriptedModel) -> None:
    for path in ("/v1/sessions/x/unknown", "/v1/execute/x", "/v2/embeddings", "/metrics/x"):
        assert (http.get(path).status_code, http.get(path).json()["error"]["code"]) == (404, "route_not_found")
    assert model.requests == []


def test_nothing_goes_there_without_a_key_of_this_server(url: str, model: ScriptedModel) -> None:
    assert httpx2.post(f"{url}/v1/embeddings", content=b"x").status_code == 401
    assert model.requests == []


def test_without_a_model_server_there_is_no_such_route(serve: Callable[..., str]) -> None:
    answer = httpx2.post(f"{serve(upstream='')}/v1/embeddings", headers=KEY)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "route_not_found")


@pytest.mark.parametrize(
    "upstream",
    [
        "localhost:11434/v1",
        "ftp://host/v1",
        "http://",
        "http://host/v1?a=b",
        "http://host/v1#x",
        "http://user:secret@host/v1",
        "http://host:port/v1",
        "http://ho st/v1",
        "/v1",
    ],
)
def test_what_is_no_base_url_is_no_upstream(upstream: str) -> None:
    with pytest.raises(
        ValueError, match=r"upstream is .*, which is no base URL: it must begin with http:// or https://"
    ):
        Settings(upstream=upstream)
    assert Settings(upstream="").upstream == ""
    assert Settings(upstream="https://host:8000/openai/v1/").upstream == "https://host:8000/openai/v1/"
