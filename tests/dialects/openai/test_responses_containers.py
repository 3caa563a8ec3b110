"""Where the code of a response runs, and which of the user's files are there."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.support.model import ScriptedModel, say
from tests.support.responses import ask, calls, logs, run, told

pytestmark = pytest.mark.client("openai")

CSV = b"a,b\n1,2\n"
IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def interpreter(container: Any) -> list[dict[str, Any]]:
    return [{"type": "code_interpreter", "container": container}]


def attached(name: str, content: bytes) -> dict[str, Any]:
    """A message with a file in it."""
    data = f"data:text/csv;base64,{base64.b64encode(content).decode()}"
    return {"role": "user", "content": [{"type": "input_file", "filename": name, "file_data": data}]}


def upload(client: OpenAI, name: str, content: bytes) -> str:
    return client.files.create(file=(name, content), purpose="user_data").id


def end(client: OpenAI, container_id: str) -> None:
    """End a container's session, as its expiry would."""
    for session in client.get("/sessions", cast_to=dict[str, Any])["sessions"]:
        if session["metadata"] == {"container": container_id}:
            client.delete(f"/sessions/{session['id']}", cast_to=object)


def system(model: ScriptedModel) -> list[str]:
    """The system messages of the last request."""
    return [message["content"] for message in model.requests[-1].body["messages"] if message["role"] == "system"]


def test_code_runs_in_the_container_that_the_request_names(client: OpenAI, model: ScriptedModel) -> None:
    container = client.containers.create(name="mine")
    model.script(run("x = 41"), say("Set."), run("x + 1"), say("42."))
    first, second = (ask(client, tools=interpreter(container.id)) for _ in range(2))
    assert [calls(each)[0].container_id for each in (first, second)] == [container.id] * 2
    assert logs(second) == ["42"]
    assert second.previous_response_id is None


def test_containers_left_out_are_automatic(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1"), say("1."))
    assert logs(ask(client, tools=[{"type": "code_interpreter"}])) == ["1"]


@pytest.mark.parametrize(("memory", "mib"), [(None, 1024), ("4g", 4096)])
def test_a_container_has_the_memory_that_was_asked_for(
    client: OpenAI, model: ScriptedModel, memory: str | None, mib: int
) -> None:
    model.script(run("1"), say("1."))
    response = ask(client, tools=interpreter({"type": "auto", "memory_limit": memory}))
    made = client.containers.retrieve(calls(response)[0].container_id)
    assert made.memory_limit == f"{mib // 1024}g"
    assert f"{mib} MiB of memory" in model.requests[0].body["tools"][0]["function"]["description"]


def test_containers_that_cannot_be_used(client: OpenAI, stranger: OpenAI, model: ScriptedModel) -> None:
    expired, deleted = (client.containers.create(name=name).id for name in ("expired", "deleted"))
    model.script(run("1"), say("1."))
    ask(client, tools=interpreter(expired))
    end(client, expired)
    client.containers.delete(deleted)
    theirs = stranger.containers.create(name="theirs").id
    found = []
    for container_id in (expired, deleted, theirs, "cntr_none"):
        with pytest.raises(NotFoundError) as caught:
            ask(client, tools=interpreter(container_id))
        found.append(caught.value.code)
    assert found == ["container_expired", "not_found", "not_found", "not_found"]
    assert len(model.requests) == 2


def test_a_chain_whose_container_has_expired_goes_on_in_another(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("x = 1"), say("Set."), run("'x' in dir()"), say("Gone."), run("'fresh'"), say("Yes."))
    first = ask(client)
    end(client, calls(first)[0].container_id)
    second = ask(client, previous_response_id=first.id)
    assert logs(second) == ["False"]
    assert calls(second)[0].container_id != calls(first)[0].container_id
    assert system(model) == ["[The sandbox of the earlier code has expired: its variables and files are gone.]"]
    # From then on there is nothing to be said.
    third = ask(client, previous_response_id=second.id)
    assert calls(third)[0].container_id == calls(second)[0].container_id
    assert system(model) == []


def test_files_of_an_automatic_container_are_there_and_told_of(client: OpenAI, model: ScriptedModel) -> None:
    ids = [upload(client, "ä b.csv", CSV), upload(client, "c.txt", b"c")]
    model.script(run("open('ä b.csv').read() + open('/mnt/data/c.txt').read()"), say("Read."))
    response = ask(client, tools=interpreter({"type": "auto", "file_ids": ids}), instructions="Read.")
    assert logs(response) == ["'a,b\\n1,2\\nc'"]
    assert system(model) == ["Read.\n\n[The user's files: /mnt/data/ä b.csv, /mnt/data/c.txt]"]


def test_a_file_that_code_has_changed_stays_changed(client: OpenAI, model: ScriptedModel) -> None:
    tools = interpreter({"type": "auto", "file_ids": [upload(client, "a.csv", CSV)]})
    model.script(run("open('a.csv', 'w').write('new')"), say("Done."), run("open('a.csv').read()"), say("Read."))
    first = ask(client, tools=tools)
    assert logs(ask(client, tools=tools, previous_response_id=first.id)) == ["'new'"]


def test_files_of_a_container_are_told_of(client: OpenAI, model: ScriptedModel) -> None:
    container = client.containers.create(name="mine", file_ids=[upload(client, "a.csv", CSV)])
    client.containers.files.create(container.id, file=("b.csv", CSV))
    model.script(run("sorted(os.listdir())"), run("import os; sorted(os.listdir())"), say("Both."))
    response = ask(client, tools=interpreter(container.id))
    assert logs(response)[1] == "['a.csv', 'b.csv']"
    assert sorted(system(model)[0].removeprefix("[The user's files: ").removesuffix("]").split(", ")) == [
        "/mnt/data/a.csv",
        "/mnt/data/b.csv",
    ]


def test_files_that_are_not_there(client: OpenAI, stranger: OpenAI, model: ScriptedModel) -> None:
    for file_id in ("file-none", upload(stranger, "a.csv", CSV)):
        with pytest.raises(NotFoundError, match=file_id):
            ask(client, tools=interpreter({"type": "auto", "file_ids": [file_id]}))
        for kind in ("input_file", "input_image"):
            with pytest.raises(NotFoundError, match=file_id):
                ask(client, input=[{"role": "user", "content": [{"type": kind, "file_id": file_id}]}])
    assert model.requests == []


@pytest.mark.shows("files in")
def test_an_attached_file_is_put_into_the_sandbox(client: OpenAI, model: ScriptedModel) -> None:
    by_id = {"type": "input_file", "file_id": upload(client, "stored.csv", CSV)}
    message = attached("folder/sent.csv", b"x\n")
    message["content"] += [by_id, {"type": "input_text", "text": "Read both."}]
    model.script(run("open('sent.csv').read() + open('stored.csv').read()"), say("Read."))
    response = ask(client, input=[message])
    assert logs(response) == ["'x\\na,b\\n1,2\\n'"]
    assert model.requests[0].body["messages"] == [
        {
            "role": "user",
            "content": "[the user's file sent.csv is /mnt/data/sent.csv]\n"
            "[the user's file stored.csv is /mnt/data/stored.csv]\nRead both.",
        }
    ]


@pytest.mark.parametrize("replayed", [True, False])
def test_an_attached_file_is_put_there_once(client: OpenAI, model: ScriptedModel, replayed: bool) -> None:
    model.script(run("open('a.csv', 'a').write('3,4\\n')"), say("Done."), run("open('a.csv').read()"), say("Read."))
    first = ask(client, input=[attached("a.csv", CSV)])
    if replayed:
        items = [item.model_dump(exclude_none=True) for item in first.output]
        second = ask(client, input=[attached("a.csv", CSV), *items, {"role": "user", "content": "And?"}])
    else:
        second = ask(client, input="And?", previous_response_id=first.id)
    assert logs(second) == ["'a,b\\n1,2\\n3,4\\n'"]


def test_an_attached_file_is_there_again_when_the_container_has_expired(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("1"), say("Done."), run("open('a.csv').read()"), say("Read."))
    first = ask(client, input=[attached("a.csv", CSV)])
    end(client, calls(first)[0].container_id)
    assert logs(ask(client, input="And?", previous_response_id=first.id)) == ["'a,b\\n1,2\\n'"]


def test_attached_files_are_not_among_the_stored_ones(client: OpenAI, model: ScriptedModel) -> None:
    before = [file.id for file in client.files.list()]
    model.script(run("1"), say("Done."))
    ask(client, input=[attached("a.csv", CSV)])
    assert [file.id for file in client.files.list()] == before


@pytest.mark.parametrize("name", ["..", "a\0b", "a" * 256])
def test_attached_files_with_names_that_no_file_can_have(client: OpenAI, model: ScriptedModel, name: str) -> None:
    with pytest.raises(BadRequestError, match="no name that a file can have"):
        ask(client, input=[attached(name, CSV)])
    assert model.requests == []


def test_a_model_without_a_sandbox_is_given_the_files_themselves(client: OpenAI, model: ScriptedModel) -> None:
    by_id = {"type": "input_file", "file_id": upload(client, "stored.csv", CSV)}
    message = attached("sent.csv", b"x\n")
    message["content"].append(by_id)
    model.script(say("Read."))
    ask(client, input=[message], tools=[])
    data = base64.b64encode(CSV).decode()
    assert model.requests[0].body["messages"][0]["content"] == [
        {"type": "file", "file": {"file_data": "data:text/csv;base64,eAo=", "filename": "sent.csv"}},
        {"type": "file", "file": {"file_data": f"data:text/csv;base64,{data}", "filename": "stored.csv"}},
    ]


def test_images_reach_the_model(client: OpenAI, model: ScriptedModel) -> None:
    parts = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"},
        {"type": "input_image", "file_id": upload(client, "dot.png", IMAGE)},
    ]
    model.script(say("A dot."))
    ask(client, input=[{"role": "user", "content": parts}])
    data = base64.b64encode(IMAGE).decode()
    assert model.requests[0].body["messages"][0]["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    ]


@pytest.mark.parametrize(
    ("container", "param"),
    [
        ({"type": "auto", "memory_limit": "2g"}, "tools[0].container.memory_limit"),
        ({"type": "auto", "memory_limit": "64g"}, "tools[0].container.memory_limit"),
        ({"type": "auto", "network_policy": {"type": "allowlist"}}, "tools[0].container.network_policy"),
        ({"type": "auto", "skills": [{"id": "s"}]}, "tools[0].container.skills"),
        ({"type": "auto", "file_ids": "file-1"}, "tools[0].container.file_ids"),
        ({"type": "other"}, "tools[0].container"),
        (7, "tools[0].container"),
    ],
)
def test_containers_that_are_not_to_be_had(client: OpenAI, model: ScriptedModel, container: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(client, tools=interpreter(container))
    assert caught.value.param == param
    assert model.requests == []


def test_a_sandbox_that_there_is_no_room_for_is_told_to_the_model(
    serve: Callable[..., str], connect: Callable[..., OpenAI], model: ScriptedModel
) -> None:
    client = connect(serve(max_sessions=1))
    model.script(run("1"), say("1."), run("2"), say("No room."))
    ask(client)
    response = ask(client)
    assert [made.status for made in calls(response)] == ["failed"]
    assert told(model.requests[-1].body)[0].startswith("[not run: ")
    assert (response.status, response.output_text) == ("completed", "No room.")


def test_wishes_that_are_granted_anyway(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Fine."))
    ask(client, tools=interpreter({"type": "auto", "network_policy": {"type": "disabled"}, "skills": []}))
