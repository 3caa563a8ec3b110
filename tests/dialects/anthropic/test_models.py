"""The models of the model server, by Anthropic's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx2
import pytest
from anthropic import Anthropic, NotFoundError
from openai import OpenAI

from tests.support.anthropic_errors import error_of, refused
from tests.support.model import ScriptedModel

VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def many() -> Iterator[ScriptedModel]:
    """A model server of several models."""
    with ScriptedModel(models=("a", "org/b", "c", "d")) as model:
        yield model


def test_the_models_are_those_of_the_model_server(anthropic_client: Anthropic, client: OpenAI) -> None:
    (model,) = anthropic_client.models.list().data
    assert model.model_dump(exclude_none=True) == {
        "id": "scripted",
        "type": "model",
        "display_name": "scripted",
        "created_at": datetime.fromtimestamp(0, UTC),
        "lifecycle": "active",
    }
    assert anthropic_client.models.retrieve("scripted") == model
    assert [each.id for each in client.models.list()] == ["scripted"]


def test_a_list_is_walked_through_in_parts(
    many: ScriptedModel, serve: Callable[..., str], connect_anthropic: Callable[..., Anthropic]
) -> None:
    models = connect_anthropic(serve(upstream=many.url, pool_size=1)).models
    assert [model.id for model in models.list(limit=3)] == ["a", "org/b", "c", "d"]
    first, behind, before = models.list(limit=2), models.list(after_id="c"), models.list(limit=2, before_id="d")
    assert ([model.id for model in first.data], first.has_more) == (["a", "org/b"], True)
    assert ([model.id for model in behind.data], behind.has_more) == (["d"], False)
    assert ([model.id for model in before.data], before.has_more) == (["org/b", "c"], True)
    assert (before.first_id, before.last_id) == ("org/b", "c")
    assert models.retrieve("org/b").id == "org/b"


def test_a_model_that_is_not_there_is_404(anthropic_client: Anthropic) -> None:
    exc = refused(lambda: anthropic_client.models.retrieve("org/none"), 404)
    assert (type(exc), exc.type) == (NotFoundError, "not_found_error")
    assert exc.api_message == "there is no model 'org/none' at the model server (GET /v1/models lists the models)"


def test_without_a_model_server_there_are_none(
    serve: Callable[..., str], connect_anthropic: Callable[..., Anthropic]
) -> None:
    models = connect_anthropic(serve(upstream="", pool_size=1)).models
    page = models.list()
    assert (page.data, page.has_more, page.first_id, page.last_id) == ([], False, None, None)
    refused(lambda: models.retrieve("scripted"), 404)


def test_nobody_deletes_a_model(http: httpx2.Client, model: ScriptedModel) -> None:
    answer = http.delete("/v1/models/scripted", headers=VERSION)
    assert (answer.status_code, error_of(answer)["type"]) == (405, "invalid_request_error")
    assert model.requests == []
