"""What the user says beside text: images, documents, files, and what the client's tools have given."""

from __future__ import annotations

import base64

import pytest
from anthropic import Anthropic

from tests.support.messages import (
    CODE,
    WEATHER,
    answer,
    ask,
    client_uses,
    conversation,
    results,
)
from tests.support.model import Json, ScriptedModel, call, say
from tests.support.responses import run, told

pytestmark = pytest.mark.client("anthropic")
PNG = "iVBORw0KGgo="


def upload(client: Anthropic, name: str, content: bytes) -> str:
    return client.files.upload(file=(name, content)).id


def last(model: ScriptedModel) -> list[Json]:
    """The messages that the model was last asked with."""
    messages: list[Json] = model.requests[-1].body["messages"]
    return messages


def test_results_of_the_clients_tools(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(call(("weather", {"city": "Ulm"}), ("weather", {"city": "Rom"}), ("weather", {})), say("Well."))
    first = ask(anthropic_client, tools=[CODE, WEATHER])
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    ulm, rom, nowhere = client_uses(first)
    given = [
        answer(rom, [{"type": "text", "text": "sun"}, image]),
        answer(ulm, "rain"),
        answer(nowhere, "no city", is_error=True),
        {"type": "text", "text": "Quick!"},
    ]
    ask(anthropic_client, tools=[CODE, WEATHER], messages=conversation(first, given))
    assert told(model.requests[1].body) == ["rain", "sun", "[error] no city"]
    assert last(model)[-1] == {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            {"type": "text", "text": "Quick!"},
        ],
    }


def test_images_are_shown_to_the_model(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("Well."))
    file_id = upload(anthropic_client, "a.png", base64.b64decode(PNG))
    sources: list[Json] = [
        {"type": "base64", "media_type": "image/png", "data": PNG},
        {"type": "url", "url": "https://example.org/a.png"},
        {"type": "file", "file_id": file_id},
    ]
    blocks = [{"type": "image", "source": source} for source in sources]
    ask(anthropic_client, messages=[{"role": "user", "content": blocks}])
    urls = [part["image_url"]["url"] for part in last(model)[0]["content"]]
    inline = f"data:image/png;base64,{PNG}"
    assert urls == [inline, "https://example.org/a.png", inline]


@pytest.mark.shows("files in")
def test_files_are_put_where_code_runs(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    code = "[open(n).read() for n in ('a.txt', 'b.txt', 'c.txt')]"
    model.script(run(code), say("Well."))
    data = base64.b64encode(b"three").decode()
    blocks: list[Json] = [
        {"type": "container_upload", "file_id": upload(anthropic_client, "a.txt", b"one")},
        {"type": "document", "source": {"type": "file", "file_id": upload(anthropic_client, "b.txt", b"two")}},
        {"type": "document", "title": "c.txt", "source": {"type": "base64", "data": data}},
    ]
    message = ask(anthropic_client, messages=[{"role": "user", "content": blocks}])
    assert results(message)[0].stdout == "['one', 'two', 'three']"
    assert model.requests[0].body["messages"][-1]["content"].split("\n") == [
        "[the user's file a.txt is /mnt/data/a.txt]",
        "[the user's file b.txt is /mnt/data/b.txt]",
        "c.txt",
        "[the user's file c.txt is /mnt/data/c.txt]",
    ]


def test_documents_without_a_title_have_names_of_their_own(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("[open(n).read() for n in ('document-1.csv', 'document-2.pdf')]"), say("Well."))
    one, two = (base64.b64encode(text).decode() for text in (b"one", b"two"))
    blocks: list[Json] = [
        {"type": "document", "source": {"type": "base64", "media_type": "text/csv", "data": one}},
        {"type": "document", "source": {"type": "base64", "data": two}},
    ]
    message = ask(anthropic_client, messages=[{"role": "user", "content": blocks}])
    assert results(message)[0].stdout == "['one', 'two']"


def test_a_file_that_code_has_made_can_be_put_into_another_container(
    anthropic_client: Anthropic, model: ScriptedModel
) -> None:
    model.script(run("n = open('a.txt', 'w').write('made')"), say("Well."), run("open('a.txt').read()"), say("Yes."))
    [made] = results(ask(anthropic_client))[0].content
    block = {"type": "container_upload", "file_id": made.file_id}
    second = ask(anthropic_client, messages=[{"role": "user", "content": [block]}])
    assert results(second)[0].stdout == "'made'"


def test_without_code_documents_go_to_the_model_server(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(say("Well."))
    text_source = {"type": "text", "media_type": "text/plain", "data": "All of it."}
    blocks: list[Json] = [
        {"type": "document", "title": "a.pdf", "source": {"type": "base64", "data": "AAAA"}},
        {"type": "document", "title": "Notes", "context": "of today", "source": text_source},
        {"type": "document", "source": {"type": "content", "content": "In parts."}},
        {"type": "search_result", "title": "Found", "source": "a page", "content": [{"type": "text", "text": "It."}]},
        {"type": "document", "source": {"type": "file", "file_id": upload(anthropic_client, "b.txt", b"two")}},
    ]
    ask(anthropic_client, tools=[], messages=[{"role": "user", "content": blocks}])
    parts = last(model)[0]["content"]
    files = [part["file"]["filename"] for part in parts if part["type"] == "file"]
    assert files == ["a.pdf", "b.txt"]
    assert [part["text"] for part in parts if part["type"] == "text"] == [
        "a.pdf",
        "Notes",
        "of today",
        "All of it.",
        "In parts.",
        "Found (a page)",
        "It.",
    ]
