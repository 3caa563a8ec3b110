"""Conversations by OpenAI's own client: made, changed, filled, read, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from openai import AsyncOpenAI, NotFoundError, OpenAI
from openai.types.responses import ResponseInputItemParam

from insitu.settings import Settings
from tests.support.forms import refused
from tests.support.model import ScriptedModel, say
from tests.support.responses import OUTPUTS, PYTHON, ask, run
from tests.support.serving import serving

GONE = " (it is not of this key, was deleted, or its time is over)"


def user(text: str) -> ResponseInputItemParam:
    return {"role": "user", "content": text}


def texts(items: Any) -> list[str]:
    """What the messages among some items say."""
    return [item.content[0].text for item in items if item.type == "message"]


def items_of(client: OpenAI, conversation: str) -> list[Any]:
    """The items of a conversation, the latest first."""
    return list(client.conversations.items.list(conversation))


def test_a_conversation_is_found_again_as_it_was_made(client: OpenAI) -> None:
    before = int(time.time())
    made = client.conversations.create(metadata={"topic": "demo"})
    assert before <= made.created_at <= time.time()
    assert made.id.startswith("conv_")
    assert made.to_dict() == {
        "id": made.id,
        "object": "conversation",
        "created_at": made.created_at,
        "metadata": {"topic": "demo"},
    }
    assert client.conversations.retrieve(made.id) == made
    assert client.conversations.items.list(made.id).data == []
    assert client.conversations.create().metadata == {}


async def test_the_asynchronous_client_does_the_same(async_client: AsyncOpenAI) -> None:
    made = await async_client.conversations.create(items=[user("hello")])
    assert texts([item async for item in async_client.conversations.items.list(made.id)]) == ["hello"]
    assert (await async_client.conversations.delete(made.id)).deleted


def test_metadata_is_replaced(client: OpenAI) -> None:
    made = client.conversations.create(metadata={"a": "1", "b": "2"})
    changed = client.conversations.update(made.id, metadata={"b": "3"})
    assert (changed.id, changed.created_at, changed.metadata) == (made.id, made.created_at, {"b": "3"})
    assert client.conversations.retrieve(made.id).metadata == {"b": "3"}
    assert client.conversations.update(made.id, metadata=None).metadata == {}


def test_items_are_kept_in_their_order(client: OpenAI) -> None:
    made = client.conversations.create(items=[user("one"), {"role": "assistant", "content": "two"}])
    added = client.conversations.items.create(made.id, items=[user("three"), user("four")])
    assert texts(added.data) == ["three", "four"]
    assert (added.first_id, added.last_id, added.has_more) == (added.data[0].id, added.data[1].id, False)
    latest_first = client.conversations.items.list(made.id)
    assert texts(latest_first.data) == ["four", "three", "two", "one"]
    assert (latest_first.to_dict()["first_id"], latest_first.last_id) == (added.last_id, latest_first.data[-1].id)
    assert texts(client.conversations.items.list(made.id, order="asc", limit=1)) == ["one", "two", "three", "four"]
    rest = client.conversations.items.list(made.id, limit=2, after=added.first_id)
    assert (texts(rest.data), rest.has_more) == (["two", "one"], False)


def test_an_item_is_shown_as_openai_shows_it(client: OpenAI) -> None:
    made = client.conversations.create(items=[user("hello")])
    [item] = items_of(client, made.id)
    assert item.to_dict() == {
        "id": item.id,
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "hello"}],
    }
    assert item.id.startswith("msg_")
    assert client.conversations.items.retrieve(item.id, conversation_id=made.id) == item


def test_an_item_is_taken_out(client: OpenAI) -> None:
    made = client.conversations.create(items=[user("one"), user("two")], metadata={"a": "1"})
    last, first = items_of(client, made.id)
    assert client.conversations.items.delete(last.id, conversation_id=made.id) == made
    assert texts(client.conversations.items.list(made.id)) == ["one"]
    for call in (client.conversations.items.retrieve, client.conversations.items.delete):
        gone = refused(partial(call, last.id, conversation_id=made.id), 404)
        assert gone["message"] == f"there is no item '{last.id}'{GONE}"
    assert client.conversations.items.retrieve(first.id, conversation_id=made.id) == first


def test_a_deleted_conversation_is_gone(client: OpenAI) -> None:
    made = client.conversations.create(items=[user("one")])
    [item] = items_of(client, made.id)
    gone = client.conversations.delete(made.id).to_dict()
    assert gone == {"id": made.id, "object": "conversation.deleted", "deleted": True}
    for call in calls(client, made.id, item.id):
        error = refused(call, 404)
        assert (error["code"], error["message"]) == ("not_found", f"there is no conversation '{made.id}'{GONE}")


def test_someone_elses_conversation_is_not_there(client: OpenAI, stranger: OpenAI) -> None:
    made = client.conversations.create(items=[user("mine")])
    [item] = items_of(client, made.id)
    for call in calls(stranger, made.id, item.id):
        assert refused(call, 404)["message"] == f"there is no conversation '{made.id}'{GONE}"
    own = stranger.conversations.create()
    for refer in ({"type": "item_reference", "id": item.id}, {"type": "item_reference", "id": "msg_none"}):
        items = cast("list[ResponseInputItemParam]", [refer])
        error = refused(partial(stranger.conversations.items.create, own.id, items=items), 404)
        assert refer["id"] in error["message"]
    assert texts(client.conversations.items.list(made.id)) == ["mine"]


def calls(client: OpenAI, conversation: str, item: str) -> list[Callable[[], object]]:
    """Everything that can be done with a conversation."""
    items = client.conversations.items
    return [
        lambda: client.conversations.retrieve(conversation),
        lambda: client.conversations.update(conversation, metadata={}),
        lambda: items.list(conversation),
        lambda: items.create(conversation, items=[user("x")]),
        lambda: items.retrieve(item, conversation_id=conversation),
        lambda: items.delete(item, conversation_id=conversation),
        lambda: client.conversations.delete(conversation),
    ]


@pytest.mark.parametrize(
    ("asked", "param", "words"),
    [
        ({"items": [user("x")] * 21}, "items", "at most 20 items"),
        ({"items": "hello"}, "items", "it should be a valid array"),
        ({"items": [user("x"), {"role": "king", "content": "x"}]}, "items[1].role", "items[1].role must be one of: "),
        ({"items": [{"role": "user"}]}, "items[0].content", "items[0].content must be a string or a list"),
        ({"items": ["x"]}, "items[0]", "items[0] must be an object"),
        ({"items": [{"type": "mcp_call"}]}, "items[0].type", "items of the type 'mcp_call' are not known here"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata", "at most 16 items"),
        ({"metadata": {"k" * 65: "x"}}, None, "at most 64 characters"),
        ({"metadata": {"k": "x" * 513}}, "metadata.k", "at most 512 characters"),
        ({"metadata": {"k": 1}}, "metadata.k", "it should be a valid string"),
        ({"extra_body": {"name": "x"}}, "name", "name: there is no such field"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_conversation_cannot_hold_is_told(
    client: OpenAI, asked: dict[str, Any], param: str | None, words: str
) -> None:
    error = refused(lambda: client.conversations.create(**asked))
    assert error["type"] == "invalid_request_error"
    assert param is None or error["param"] == param
    assert words in error["message"]


def test_nothing_is_added_if_one_item_is_wrong(client: OpenAI) -> None:
    made = client.conversations.create()
    wrong = cast("list[ResponseInputItemParam]", [user("right"), {"role": "king", "content": "x"}])
    refused(lambda: client.conversations.items.create(made.id, items=wrong))
    assert refused(lambda: client.conversations.items.create(made.id, items=[user("x")] * 21))["param"] == "items"
    assert client.conversations.items.list(made.id).data == []


@pytest.mark.parametrize(("query", "param"), [("limit=0", "limit"), ("limit=101", "limit"), ("order=x", "order")])
def test_a_list_that_cannot_be_is_refused(client: OpenAI, query: str, param: str) -> None:
    made = client.conversations.create()
    asked = dict([query.split("=")])
    assert refused(lambda: client.conversations.items.list(made.id, extra_query=asked))["param"] == param
    with pytest.raises(NotFoundError):
        client.conversations.items.list(made.id, after="msg_none")


def test_a_response_goes_on_from_a_conversation_and_adds_to_it(client: OpenAI, model: ScriptedModel) -> None:
    made = client.conversations.create(items=[user("My name is Ada.")])
    model.script(run("6*7"), say("It is 42, Ada."))
    response = ask(client, input="How much?", conversation=made.id, tools=[PYTHON])
    assert [message["content"] for message in model.requests[0].body["messages"]] == ["My name is Ada.", "How much?"]
    items = client.conversations.items
    found: list[Any] = list(items.list(made.id, order="asc"))
    assert [item.type for item in found] == ["message", "message", "code_interpreter_call", "message"]
    assert texts(found) == ["My name is Ada.", "How much?", "It is 42, Ada."]
    assert [item.id for item in found[2:]] == [item.id for item in response.output]
    assert found[2].outputs is None
    shown: Any = items.retrieve(found[2].id, conversation_id=made.id, include=OUTPUTS)
    assert [output.logs for output in shown.outputs] == ["42"]
    assert items.list(made.id, order="asc", include=OUTPUTS).data[2] == shown
    referred = cast("list[ResponseInputItemParam]", [{"type": "item_reference", "id": found[2].id}])
    other = client.conversations.create(items=referred)
    assert items.list(other.id, include=OUTPUTS).data == [shown]


def test_what_a_response_has_stays_when_its_conversation_goes(client: OpenAI, model: ScriptedModel) -> None:
    made = client.conversations.create()
    model.script(say("Hello."))
    response = ask(client, input="Hi", conversation=made.id, tools=[])
    client.conversations.delete(made.id)
    assert client.responses.retrieve(response.id).output_text == "Hello."


def test_conversations_outlive_their_server(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], tmp_path: Path
) -> None:
    with serving(settings(pool_size=0, data_dir=tmp_path)) as address:
        made = connect(address).conversations.create(items=[user("one"), user("two")], metadata={"a": "1"})
    with serving(settings(pool_size=0, data_dir=tmp_path)) as address:
        again = connect(address).conversations
        assert again.retrieve(made.id) == made
        assert texts(again.items.list(made.id, order="asc")) == ["one", "two"]
