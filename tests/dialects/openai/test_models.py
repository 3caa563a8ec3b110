from __future__ import annotations

from collections.abc import Callable

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.support.model import ScriptedModel


def test_the_models_are_those_of_the_model_server(http: httpx2.Client, client: OpenAI, model: ScriptedModel) -> None:
    assert [each.id for each in client.models.list()] == ["scripted"]
    assert http.get("/v1/models").content == httpx2.get(f"{model.url}/models").content


def test_a_models_name_may_have_slashes(client: OpenAI, model: ScriptedModel) -> None:
    with pytest.raises(openai.NotFoundError, match=r"There is no GET /v1/models/org%2Fmodel\."):
        client.models.retrieve("org/model")
    assert [received.path for received in model.requests] == ["/v1/models/org%2Fmodel"]


def test_without_a_model_server_there_are_none(serve: Callable[..., str], connect: Callable[..., OpenAI]) -> None:
    client = connect(serve(upstream=""))
    assert client.models.list().data == []
    with pytest.raises(openai.NotFoundError, match="The model 'org/model' does not exist") as caught:
        client.models.retrieve("org/model")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_nobody_deletes_a_model_through_this_server(client: OpenAI, model: ScriptedModel) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.models.delete("scripted")
    assert (caught.value.status_code, model.requests) == (405, [])
