"""A base URL that is wrong: what each client is told, and that nothing of it goes to the model server."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.dialects.conftest import HEADERS, KEYS
from tests.support.model import ScriptedModel, fail
from tests.support.serving import exchange

ASKED = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]}
GOOGLE, ANTHROPIC = {"x-goog-api-key": KEYS[0]}, {"x-api-key": KEYS[0], "anthropic-version": "2023-06-01"}


def by_openai(base: str) -> str:
    with openai.OpenAI(base_url=base, api_key=KEYS[0], max_retries=0) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            client.responses.create(model="m", input="Hi.")
    assert caught.value.code == "route_not_found"
    return str(caught.value.body["message"]) if isinstance(caught.value.body, dict) else ""


def by_anthropic(base: str) -> str:
    with anthropic.Anthropic(base_url=base, api_key=KEYS[0], max_retries=0) as client:
        with pytest.raises(anthropic.NotFoundError) as caught:
            client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi."}])
    body = caught.value.body
    assert isinstance(body, dict) and body["error"]["type"] == "not_found_error"
    return str(body["error"]["message"])


def by_google(base: str, version: str = "v1beta") -> str:
    client = genai.Client(api_key=KEYS[0], http_options=types.HttpOptions(base_url=base, api_version=version))
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="m", contents="Hi.")
    client.close()
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    return str(caught.value.message)


@pytest.mark.parametrize(
    ("base", "asked"), {"": "/responses", "/v1/v1": "/v1/v1/responses", "/v2": "/v2/responses"}.items()
)
def test_openais_client_is_told_its_base_url(url: str, model: ScriptedModel, base: str, asked: str) -> None:
    cure = f"{asked} is not here, but /v1/responses: the base URL of OpenAI's clients ends in /v1: {url}/v1"
    assert by_openai(f"{url}{base}") == cure
    assert model.requests == []


@pytest.mark.parametrize("base", ["/v1", "/v1/v1", "/anthropic"])
def test_anthropics_client_is_told_its_base_url(url: str, model: ScriptedModel, base: str) -> None:
    here = f"{base}/v1/messages is not here, but /v1/messages"
    assert by_anthropic(f"{url}{base}") == f"{here}: the base URL of Anthropic's clients has no {base}: {url}"
    assert model.requests == []


@pytest.mark.parametrize(("base", "version"), [("/v1", "v1beta"), ("/v1beta", "v1beta"), ("/v1", "v1")])
def test_googles_client_is_told_its_base_url(url: str, model: ScriptedModel, base: str, version: str) -> None:
    method = f"/{version}/models/m:generateContent"
    cure = f"{base}{method} is not here, but {method}: the base URL of Google's clients has no {base}: {url}"
    assert by_google(f"{url}{base}", version) == cure
    assert model.requests == []


@pytest.mark.parametrize(
    ("path", "headers", "right", "base"),
    [
        ("/chat/completions", HEADERS, "/v1/chat/completions", "/v1"),
        ("/embeddings", HEADERS, "/v1/embeddings", "/v1"),
        ("/v1/v1/embeddings", HEADERS, "/v1/embeddings", "/v1"),
        ("/api/v1/models", HEADERS, "/v1/models", "/v1"),
        ("/messages", ANTHROPIC, "/v1/messages", ""),
        ("/v1/v1/models", ANTHROPIC, "/v1/models", ""),
        ("/models/m:generateContent", GOOGLE, "/v1/models/m:generateContent", ""),
        ("/models/m:streamGenerateContent", GOOGLE, "/v1/models/m:streamGenerateContent", ""),
        ("/v1beta/v1beta/interactions", GOOGLE, "/v1beta/interactions", ""),
        ("/v1/upload/v1beta/files", GOOGLE, "/upload/v1beta/files", ""),
        ("/v1/v1/execute", HEADERS, "/v1/execute", ""),
        ("/v1/%76%31/execute", HEADERS, "/v1/execute", ""),
        ("/sessions/s/execute", HEADERS, "/v1/sessions/s/execute", ""),
        ("/v1/mcp", HEADERS, "/mcp", "/mcp"),
        ("/mcp/mcp", HEADERS, "/mcp", "/mcp"),
        ("/v1/2015-03-31/functions", HEADERS, "/2015-03-31/functions", ""),
    ],
)
def test_a_path_that_ends_in_one_that_is_here_is_told_and_goes_nowhere(
    http: httpx2.Client, url: str, model: ScriptedModel, path: str, headers: dict[str, str], right: str, base: str
) -> None:
    answer = http.post(path, headers=headers, json={})
    assert answer.status_code == 404
    assert f"is not here, but {right}: the base URL of " in answer.text and f": {url}{base}" in answer.text
    assert model.requests == []


@pytest.mark.parametrize("path", ["/v1/v1/x", "/v1/v1alpha/x", "/v1/v1", "/x", "/mcp/x", "/v1/sessions/s/responses"])
def test_what_ends_in_no_path_is_not_guessed_at(http: httpx2.Client, model: ScriptedModel, path: str) -> None:
    answer = http.post(path, headers=HEADERS, json={})
    assert answer.status_code == 404 and "there is no such route" in answer.text
    assert model.requests == []


@pytest.mark.parametrize("path", ["/v1/threads/t/messages", "/v1/x/responses", "/v1/chat/completions/c/messages"])
def test_a_model_server_may_have_such_names_below_its_own(http: httpx2.Client, model: ScriptedModel, path: str) -> None:
    assert http.post(path, headers=HEADERS, json={}).status_code == 200
    assert [received.path for received in model.requests] == [path]


def test_it_is_told_of_a_path_of_any_length_and_any_host(url: str) -> None:
    for path in ("/v1" * 5000 + "/messages", "/x" * 9000 + "/messages", "//" * 9000):
        answer = exchange(url, f"GET {path} HTTP/1.1\r\nHost: {'x' * 9000}\r\nX-API-Key: {KEYS[0]}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 404 ") and len(answer) < 2000


KEY_HINTS = {
    "/v1/execute": "send `Authorization: Bearer KEY` or `X-API-Key: KEY`",
    "/v1/responses": "send `Authorization: Bearer KEY`",
    "/v1/embeddings": "send `Authorization: Bearer KEY`",
    "/v1/messages": "send `X-API-Key: KEY`, or `Authorization: Bearer KEY`",
    "/v1/v1/messages": "send `X-API-Key: KEY`, or `Authorization: Bearer KEY`",
    "/v1beta/models": "send `x-goog-api-key: KEY`; a `?key=` in the address is not read",
    "/v1/models/m:generateContent?key=one": "send `x-goog-api-key: KEY`; a `?key=` in the address is not read",
    "/v1beta/interactions": "send `x-goog-api-key: KEY`; a `?key=` in the address is not read",
    "/mcp": "send `Authorization: Bearer KEY`",
    "/2015-03-31/functions": "sign the request with KEY as the access key id, and any secret",
}


@pytest.mark.parametrize(("path", "hint"), KEY_HINTS.items())
def test_each_dialect_says_how_a_key_is_sent(url: str, path: str, hint: str) -> None:
    answer = httpx2.post(f"{url}{path}", json={})
    assert "the request carries no key" in answer.text and hint in answer.text


FINAL = {"x-should-retry": "false"}


@pytest.mark.parametrize("body", [{"detail": "Not Found"}, "404 page not found"])
def test_a_404_of_the_model_server_that_is_not_openais_names_the_url(
    http: httpx2.Client, model: ScriptedModel, body: Any
) -> None:
    model.script(fail(404, body, FINAL))
    message = http.post("/v1/messages", headers=ANTHROPIC, json=ASKED).json()["error"]["message"]
    assert message.startswith("the model server answered 404: ")
    hint = "the setting upstream is its base URL, which usually ends in /v1"
    assert message.endswith(f"; {model.url}/chat/completions was asked ({hint})")


def test_an_unknown_model_is_told_with_where_the_known_ones_are(http: httpx2.Client, model: ScriptedModel) -> None:
    model.script(fail(404, None, FINAL))
    asked = [
        http.post("/v1/messages", headers=ANTHROPIC, json=ASKED),
        http.get("/v1/models/other", headers=ANTHROPIC),
        http.get("/v1beta/models/other", headers=GOOGLE),
    ]
    for answer in asked:
        assert answer.status_code == 404
        assert answer.json()["error"]["message"].endswith(" (GET /v1/models lists the models)")


@pytest.mark.parametrize("embed", ["embedContent", "batchEmbedContents"])
def test_google_s_embeddings_are_said_to_be_elsewhere(http: httpx2.Client, embed: str) -> None:
    answer = http.post(f"/v1beta/models/m:{embed}", headers=GOOGLE, json={})
    cure = "embedContent is not here (/v1/embeddings, OpenAI's, goes to the model server)"
    assert (answer.status_code, answer.json()["error"]["message"]) == (404, cure)


def test_googles_client_is_told_of_embeddings(url: str) -> None:
    client = genai.Client(api_key=KEYS[0], http_options=types.HttpOptions(base_url=url))
    with pytest.raises(errors.ClientError, match="/v1/embeddings"):
        client.models.embed_content(model="m", contents="Hi.")
    client.close()
