"""The API as `v1`, which Google's own client asks for since its third major."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from openai import OpenAI

from tests.dialects.conftest import KEYS
from tests.support.gemini import ask, stream
from tests.support.interactions import interact
from tests.support.model import ScriptedModel, say
from tests.support.responses import run


@pytest.fixture(scope="module")
def gemini(url: str) -> Iterator[genai.Client]:
    client = genai.Client(api_key=KEYS[0], http_options=types.HttpOptions(base_url=url, api_version="v1"))
    yield client
    client.close()


def test_it_is_the_same(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("6 * 7"), say("42."), run("6 * 8"), say("48."), say("Hi."))
    assert ask(gemini).code_execution_result == "42"
    assert [piece.code_execution_result for piece in stream(gemini) if piece.code_execution_result] == ["48"]
    made = interact(gemini)
    assert gemini.interactions.get(id=made.id).output_text == "Hi."
    file = gemini.files.upload(file=io.BytesIO(b"1"), config=types.UploadFileConfig(mime_type="text/csv"))
    assert file.name and gemini.files.download(file=file) == b"1"
    gemini.files.delete(name=file.name)


def test_models_on_the_path_of_other_apis_are_for_googles_clients_googles(
    gemini: genai.Client, client: OpenAI, http: httpx2.Client
) -> None:
    assert [each.name for each in gemini.models.list()] == ["models/scripted"]
    assert [each.id for each in client.models.list()] == ["scripted"]
    assert http.get("/v1/models", headers={"anthropic-version": "2023-06-01"}).json()["has_more"] is False
    with pytest.raises(errors.ClientError) as caught:
        gemini.models.get(model="other")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_an_unknown_key_is_told_in_its_own_words(url: str) -> None:
    answer = httpx2.get(f"{url}/v1/models", headers={"x-goog-api-key": "unknown"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_with_a_bearer_the_same_paths_are_openais(http: httpx2.Client, model: ScriptedModel) -> None:
    assert http.post("/v1/models/m:generateContent", json={"contents": "Hm?"}).status_code == 405
    http.post("/v1/interactions", json={"model": "m", "input": "Hm?"})
    assert [request.path for request in model.requests] == ["/v1/interactions"]
