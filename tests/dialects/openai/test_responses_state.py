"""What responses leave for the next one: variables, files and what was said; and what of it can be fetched."""

from __future__ import annotations

from typing import Any

import pytest
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI

from tests.support.model import ScriptedModel, call, say
from tests.support.responses import PYTHON, WEATHER, ask, calls, kinds, logs, run, told

pytestmark = pytest.mark.client("openai")


def history(model: ScriptedModel) -> list[tuple[str, Any]]:
    """Roles and contents of what the model was asked last."""
    return [(message["role"], message["content"]) for message in model.requests[-1].body["messages"]]


@pytest.mark.shows("state")
def test_a_response_goes_on_from_another(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 20\nx", text="First:"), say("x is 20."), run("x + 1"), say("21."), say("You are welcome."))
    first = ask(client, instructions="Be brief.")
    second = ask(client, input="And one more?", previous_response_id=first.id)
    assert logs(second) == ["21"]
    assert calls(second)[0].container_id == calls(first)[0].container_id
    third = ask(client, input="Thanks.", previous_response_id=second.id)
    assert third.previous_response_id == second.id
    # The instructions of an earlier response are not carried over.
    assert history(model) == [
        ("user", "How much is it?"),
        ("assistant", "First:"),
        ("tool", "20"),
        ("assistant", "x is 20."),
        ("user", "And one more?"),
        ("assistant", ""),
        ("tool", "21"),
        ("assistant", "21."),
        ("user", "Thanks."),
    ]


def test_the_model_reads_its_own_steps_again_as_they_were(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1", "2", text="Both:"), run("3"), say("Done."), say("Well."))
    first = ask(client)
    before = model.requests[2].body["messages"]
    ask(client, input="More.", previous_response_id=first.id)
    after = model.requests[3].body["messages"]
    assert after == [
        *before,
        {"role": "assistant", "content": "Done."},
        {"role": "user", "content": "More."},
    ]


def test_one_response_can_be_gone_on_from_twice(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 1"), say("1."), run("x"), say("Left."), run("x"), say("Right."))
    root = ask(client)
    left, right = (ask(client, input=side, previous_response_id=root.id) for side in ("left", "right"))
    assert (logs(left), logs(right)) == (["1"], ["1"])
    assert ("user", "left") not in history(model)


def test_a_conversation_holds_what_was_said(client: OpenAI, model: ScriptedModel) -> None:
    conversation = client.conversations.create(items=[{"type": "message", "role": "user", "content": "I am Ada."}])
    model.script(run("x = 7"), say("Hello Ada."), run("x"), say("It is 7."))
    first = ask(client, conversation=conversation.id, input="Remember 7.")
    second = ask(client, conversation={"id": conversation.id}, input="What was it?")
    assert second.conversation is not None and second.conversation.id == conversation.id
    assert (logs(second), calls(second)[0].container_id) == (["7"], calls(first)[0].container_id)
    items = list(client.conversations.items.list(conversation.id, order="asc"))
    assert [item.type for item in items] == [
        "message",
        *("message", "code_interpreter_call", "message"),
        *("message", "code_interpreter_call", "message"),
    ]
    assert items[2].model_dump() == {**calls(first)[0].model_dump(), "outputs": None}
    assert [text for role, text in history(model) if role == "user"] == ["I am Ada.", "Remember 7.", "What was it?"]


def test_a_response_in_a_conversation_that_is_not_there(client: OpenAI, stranger: OpenAI, model: ScriptedModel) -> None:
    mine = client.conversations.create()
    for asker, conversation in ((client, "conv_none"), (stranger, mine.id)):
        with pytest.raises(NotFoundError):
            ask(asker, conversation=conversation)
    assert model.requests == []


def test_items_can_be_referred_to(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 6"), say("Set."), run("x * 7"), say("42."))
    first = ask(client)
    references = [{"type": "item_reference", "id": item.id} for item in first.output]
    second = ask(
        client, input=[{"role": "user", "content": "Set x."}, *references, {"role": "user", "content": "Now?"}]
    )
    assert (logs(second), calls(second)[0].container_id) == (["42"], calls(first)[0].container_id)
    assert history(model)[:5] == [
        ("user", "Set x."),
        ("assistant", ""),
        ("tool", "[no output]"),
        ("assistant", "Set."),
        ("user", "Now?"),
    ]


def test_whole_items_can_be_sent_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 6\nprint('six')", text="Now:"), say("Set."), run("x * 7"), say("42."))
    first = ask(client)
    replayed = [item.model_dump(exclude_none=True) for item in first.output]
    question = {"role": "user", "content": "How much is it?"}
    second = ask(client, input=[question, *replayed, {"role": "user", "content": "Now?"}])
    assert (logs(second), calls(second)[0].container_id) == (["42"], calls(first)[0].container_id)
    assert told(model.requests[-1].body) == ["six", "42"]
    # What was not given was not carried over, and nothing is there twice.
    assert [role for role, _ in history(model)].count("user") == 2


def test_calls_from_elsewhere_are_history_without_a_sandbox(client: OpenAI, model: ScriptedModel) -> None:
    foreign = {
        "type": "code_interpreter_call",
        "id": "ci_from_elsewhere",
        "status": "completed",
        "code": "1+1",
        "container_id": "cntr_from_elsewhere",
        "outputs": [{"type": "logs", "logs": "2"}],
    }
    model.script(run("1"), say("Done."))
    response = ask(client, input=[foreign, {"role": "user", "content": "And now?"}])
    assert calls(response)[0].container_id != "cntr_from_elsewhere"
    assert told(model.requests[0].body) == ["2"]
    assert "system" not in [role for role, _ in history(model)]


def test_nothing_of_what_is_not_to_be_stored_is_stored(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("open('a.txt', 'w').write('1')"), say("Done."))
    response = ask(client, store=False)
    assert response.model_dump()["store"] is False and logs(response) == ["1"]
    with pytest.raises(NotFoundError):
        client.responses.retrieve(response.id)
    with pytest.raises(NotFoundError):
        client.responses.delete(response.id)
    with pytest.raises(NotFoundError):
        client.responses.input_items.list(response.id)
    with pytest.raises(BadRequestError, match="not found"):
        ask(client, previous_response_id=response.id)
    for item in response.output:
        with pytest.raises(NotFoundError):
            ask(client, input=[{"type": "item_reference", "id": item.id}])
    assert len(model.requests) == 2


def test_what_is_not_stored_can_be_replayed_and_finds_its_container(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 6"), say("Set."), run("x * 7"), say("42."))
    first = ask(client, store=False)
    replayed = [item.model_dump(exclude_none=True) for item in first.output]
    second = ask(client, store=False, input=[*replayed, {"role": "user", "content": "Now?"}])
    assert logs(second) == ["42"]


def test_a_deleted_response_is_gone(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Done."))
    response = ask(client)
    client.responses.delete(response.id)
    with pytest.raises(NotFoundError) as caught:
        client.responses.retrieve(response.id)
    assert caught.value.body is not None and response.id in caught.value.message
    with pytest.raises(NotFoundError):
        client.responses.delete(response.id)
    with pytest.raises(BadRequestError) as refused:
        ask(client, previous_response_id=response.id)
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")


def test_a_chain_ends_where_a_response_was_deleted(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("One."), say("Two."))
    first = ask(client)
    second = ask(client, previous_response_id=first.id)
    client.responses.delete(first.id)
    assert client.responses.retrieve(second.id).output_text == "Two."
    with pytest.raises(BadRequestError) as refused:
        ask(client, previous_response_id=second.id)
    assert refused.value.code == "previous_response_not_found"


def test_what_a_response_was_asked_with_is_listed_in_parts(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Done."))
    texts = [f"number {n}" for n in range(5)]
    response = ask(client, input=[{"role": "user", "content": text} for text in texts])

    def read(page: Any) -> list[str]:
        return [item.content[0].text for item in page]

    list_items = client.responses.input_items.list
    assert read(list_items(response.id)) == texts[::-1]
    assert read(list_items(response.id, order="asc")) == texts
    # The client walks through the parts by itself.
    assert read(list_items(response.id, order="asc", limit=2)) == texts
    page = list_items(response.id, order="asc", limit=2)
    assert (read(page.data), page.has_more) == (texts[:2], True)
    after = list_items(response.id, order="asc", limit=2, after=page.data[-1].id or "")
    assert read(after.data) == texts[2:4]
    with pytest.raises(BadRequestError):
        list_items(response.id, limit=0)
    with pytest.raises(NotFoundError):
        list_items(response.id, after="msg_none")


def test_input_items_show_what_was_given(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("5"), call(("weather", {"city": "Ulm"})), say("Done."))
    first = ask(client, tools=[PYTHON, WEATHER])
    [function] = [item for item in first.output if item.type == "function_call"]
    output = {"type": "function_call_output", "call_id": function.call_id, "output": "rain"}
    second = ask(
        client, tools=[PYTHON, WEATHER], input=[*(i.model_dump(exclude_none=True) for i in first.output), output]
    )
    items = list(client.responses.input_items.list(second.id, order="asc"))
    assert [item.type for item in items] == ["code_interpreter_call", "function_call", "function_call_output"]
    # The items that the server knows keep their ids.
    assert [item.id for item in items[:2]] == [item.id for item in first.output]


def test_another_keys_objects_are_not_there(client: OpenAI, stranger: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 1"), say("Mine."))
    mine = ask(client)
    refused: list[tuple[int, str | None]] = []
    attempts: list[Any] = [
        lambda: stranger.responses.retrieve(mine.id),
        lambda: stranger.responses.cancel(mine.id),
        lambda: stranger.responses.input_items.list(mine.id),
        lambda: stranger.responses.delete(mine.id),
        lambda: ask(stranger, previous_response_id=mine.id),
        lambda: ask(stranger, input=[{"type": "item_reference", "id": mine.output[0].id}]),
        lambda: ask(stranger, tools=[{"type": "code_interpreter", "container": calls(mine)[0].container_id}]),
    ]
    for attempt in attempts:
        with pytest.raises(APIStatusError) as caught:
            attempt()
        refused.append((caught.value.status_code, caught.value.code))
    missing = (404, "not_found")
    assert refused == [*[missing] * 4, (400, "previous_response_not_found"), missing, missing]
    assert client.responses.retrieve(mine.id).output == mine.output


def test_a_stranger_who_replays_a_call_gets_a_sandbox_of_their_own(
    client: OpenAI, stranger: OpenAI, model: ScriptedModel
) -> None:
    model.script(run("secret = 1"), say("Mine."), run("secret"), say("No."))
    mine = ask(client)
    theirs = ask(stranger, input=[calls(mine)[0].model_dump(exclude_none=True), {"role": "user", "content": "And?"}])
    assert calls(theirs)[0].container_id != calls(mine)[0].container_id
    assert logs(theirs)[0].endswith("NameError: name 'secret' is not defined")
    assert kinds(theirs) == ["code_interpreter_call", "message"]
