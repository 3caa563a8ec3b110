"""Responses that are made in the background: fetched, followed again from any event on, cancelled, left by servers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from insitu.settings import Settings
from tests.support.model import ScriptedModel, hang, say
from tests.support.responses import STOPPED, ask, calls, cited, kinds, logs, run, stream, streaming
from tests.support.serving import serving

pytestmark = pytest.mark.client("openai")

SERVE = "from insitu.server.run import serve; from insitu.settings import Settings; serve(Settings())"
# It says that it has begun, and ends once the test has put the file there.
UNTIL_TOLD = """
import os, time
n = 1
print("begun", flush=True)
while not os.path.exists("go"):
    time.sleep(0.01)
print("ended")
"""


def until_begun(events: Any) -> list[Any]:
    """The events up to the first output of the code."""
    seen = []
    for event in events:
        seen.append(event)
        if event.type == "insitu.output.delta":
            return seen
    raise AssertionError("the stream ended before the code began")


def begin(client: OpenAI, **asked: Any) -> list[Any]:
    """Begin a response in the background and leave it when its code has begun; what was heard of it."""
    with streaming(client, background=True, **asked) as events:
        return until_begun(events)


def go(client: OpenAI, seen: list[Any]) -> None:
    """Let the code end."""
    [added] = [event for event in seen if event.type == "response.output_item.added"]
    client.containers.files.create(added.item.container_id, file=("go", b""))


def resumed(client: OpenAI, response_id: str, after: int | None = None) -> list[Any]:
    """The events after one, or all."""
    options: dict[str, Any] = {} if after is None else {"starting_after": after}
    with client.responses.retrieve(response_id, stream=True, **options) as events:
        return list(events)


def ended(client: OpenAI, response_id: str) -> Any:
    """The response when it has ended."""
    return resumed(client, response_id)[-1].response


@pytest.mark.shows("background")
def test_it_is_fetched_until_it_is_there(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run("6*7"), say("It is 42."))
    begun = ask(client, background=True)
    assert begun.status in ("queued", "in_progress")
    assert (begun.background, begun.output) == (True, [])
    response = begun
    while response.status in ("queued", "in_progress"):
        response = client.responses.retrieve(begun.id)
    assert (response.status, response.output_text, logs(response)) == ("completed", "It is 42.", ["42"])


def test_its_stream_says_that_it_was_queued(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    events = stream(client, background=True)
    assert [event.type for event in events[:3]] == ["response.created", "response.queued", "response.in_progress"]
    assert [event.response.status for event in events[:3]] == ["queued", "queued", "in_progress"]
    assert events[-1].response == client.responses.retrieve(events[-1].response.id)


def test_it_goes_on_without_its_reader_and_is_followed_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(UNTIL_TOLD), say("It is done."))
    seen = begin(client)
    response_id = seen[0].response.id
    now = client.responses.retrieve(response_id)
    assert (now.status, kinds(now), calls(now)[0].status) == ("in_progress", ["code_interpreter_call"], "in_progress")
    last = seen[-1].sequence_number
    with client.responses.retrieve(response_id, stream=True, starting_after=last) as events:
        go(client, seen)
        rest = list(events)
    assert [event.sequence_number for event in [*seen, *rest]] == list(range(len(seen) + len(rest)))
    assert rest[-1].type == "response.completed"
    assert (logs(rest[-1].response), rest[-1].response.output_text) == (["begun\nended"], "It is done.")
    # What is recorded is what was sent, from wherever it is read.
    whole = [event.to_json() for event in [*seen, *rest]]
    for after in (None, -1, 0, last, len(whole) - 2, len(whole) - 1, len(whole) + 10):
        begins = 0 if after is None else after + 1
        assert [event.to_json() for event in resumed(client, response_id, after)] == whole[begins:]


def test_the_clients_helper_follows_it_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(UNTIL_TOLD), say("It is done."))
    seen = begin(client)
    with client.responses.stream(response_id=seen[0].response.id, starting_after=seen[-1].sequence_number) as events:
        go(client, seen)
        rest = list(events)
        assert events.get_final_response().output_text == "It is done."
    assert rest[0].sequence_number == seen[-1].sequence_number + 1


def test_code_stops_when_it_is_cancelled(client: OpenAI, model: ScriptedModel) -> None:
    container = client.containers.create(name="mine").id
    tools = [{"type": "code_interpreter", "container": container}]
    model.script(run(UNTIL_TOLD), run("n + 1"), say("It has stopped."))
    seen = begin(client, tools=tools)
    response_id = seen[0].response.id
    cancelled = client.responses.cancel(response_id)
    assert (cancelled.status, cancelled.completed_at) == ("cancelled", None)
    assert [made.status for made in calls(cancelled)] == ["incomplete"]
    assert client.responses.cancel(response_id) == client.responses.retrieve(response_id) == cancelled
    events = resumed(client, response_id)
    assert (events[-1].type, events[-1].response.status) == ("response.incomplete", "cancelled")
    # One execution follows the other in a session: this one would wait for ever.
    response = ask(client, tools=tools)
    assert (logs(response), response.output_text) == (["2"], "It has stopped.")


async def test_the_model_stops_when_it_is_cancelled(client: OpenAI, model: ScriptedModel) -> None:
    model.script(hang(say("Once upon a time there was"), after=3))
    with streaming(client, background=True) as events:
        response_id = next(event.response.id for event in events)
        next(event for event in events if event.type == "response.output_text.delta")
    cancelled = client.responses.cancel(response_id)
    assert (cancelled.status, kinds(cancelled)) == ("cancelled", ["message"])
    await model.wait_closed(0)


def test_what_cannot_be_cancelled(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("One."), say("Two."))
    plain, done = ask(client), ask(client, background=True)
    assert ended(client, done.id).status == "completed"
    for response, why in ((plain, "Cannot cancel a synchronous response"), (done, "Cannot cancel a completed")):
        with pytest.raises(BadRequestError, match=why):
            client.responses.cancel(response.id)
    with pytest.raises(NotFoundError):
        client.responses.cancel("resp_none")


def test_nothing_goes_on_from_what_has_not_ended(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(UNTIL_TOLD), say("Done."), say("And on."))
    seen = begin(client)
    response_id = seen[0].response.id
    with pytest.raises(BadRequestError, match="has not ended yet"):
        ask(client, previous_response_id=response_id)
    go(client, seen)
    # Whoever hears of its end can go on at once.
    assert ended(client, response_id).status == "completed"
    assert ask(client, previous_response_id=response_id).output_text == "And on."


def test_what_is_deleted_while_it_is_made_is_cancelled(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(UNTIL_TOLD))
    seen = begin(client)
    client.responses.delete(seen[0].response.id)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(seen[0].response.id)
    assert len(model.requests) == 1


def test_what_is_not_stored_is_found_by_nobody_while_it_is_made(client: OpenAI, model: ScriptedModel) -> None:
    model.script(run(UNTIL_TOLD), say("Done."))
    with streaming(client, store=False) as events:
        seen = until_begun(events)
        for do in (client.responses.retrieve, client.responses.cancel, client.responses.delete):
            with pytest.raises(NotFoundError):
                do(seen[0].response.id)
        go(client, seen)
        assert list(events)[-1].response.output_text == "Done."


def test_only_what_was_made_in_the_background_is_recorded(client: OpenAI, model: ScriptedModel) -> None:
    model.script(say("Hello."))
    response = ask(client)
    with pytest.raises(BadRequestError, match="only responses that were made with background can be streamed again"):
        resumed(client, response.id)


def test_what_fails_is_told_by_its_status(client: OpenAI, model: ScriptedModel) -> None:
    begun = ask(client, background=True)  # of which the model knows nothing
    response = ended(client, begun.id)
    assert (response.status, response.output) == ("failed", [])
    assert response.error.code == "server_error"
    assert "The script is used up" in response.error.message
    assert client.responses.retrieve(begun.id) == response


def test_a_server_that_starts_again_knows_what_was_said(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], model: ScriptedModel, tmp_path: Path
) -> None:
    model.script(run("x = 1\nopen('a.csv', 'w').write('1,2')"), say("sandbox:/mnt/data/a.csv"))
    with serving(settings(data_dir=tmp_path)) as url:
        client = connect(url)
        events = stream(client, background=True)
        first = events[-1].response
        conversation = client.conversations.create(items=[{"role": "user", "content": "I am Ada."}])
    model.script(run("'x' in dir()"), say("Gone."), say("Ada."))
    with serving(settings(data_dir=tmp_path)) as url:
        client = connect(url)
        assert client.responses.retrieve(first.id) == first
        assert [event.to_json() for event in resumed(client, first.id)] == [event.to_json() for event in events]
        assert resumed(client, first.id, 5)[0].sequence_number == 6
        [citation] = cited(first)
        ids = {"container_id": citation["container_id"], "file_id": citation["file_id"]}
        assert client.containers.files.content.retrieve(**ids).read() == b"1,2"
        assert client.containers.retrieve(citation["container_id"]).status == "expired"
        second = ask(client, previous_response_id=first.id)
        assert logs(second) == ["False"]
        assert calls(second)[0].container_id != citation["container_id"]
        system = model.requests[-1].body["messages"][0]
        assert "has expired: its variables and files are gone" in system["content"]
        assert ask(client, conversation=conversation.id).output_text == "Ada."
        assert model.requests[-1].body["messages"][0] == {"role": "user", "content": "I am Ada."}


def test_what_a_killed_server_was_making_has_failed(
    settings: Callable[..., Settings], connect: Callable[..., OpenAI], model: ScriptedModel, tmp_path: Path
) -> None:
    own = {"PORT": "0", "PREIMPORT": "", "POOL_SIZE": "1", "DATA_DIR": str(tmp_path), "API_KEYS": "one"}
    own["UPSTREAM"] = settings().upstream
    env = {f"INSITU_{name}": value for name, value in own.items()}
    model.script(run(UNTIL_TOLD))
    with subprocess.Popen([sys.executable, "-c", SERVE], env=os.environ | env, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            seen = begin(connect(process.stderr.readline().decode().split()[3]))
        finally:
            process.kill()
    response_id = seen[0].response.id
    model.script(say("Once more."))
    with serving(settings(data_dir=tmp_path)) as url:
        client = connect(url)
        response = client.responses.retrieve(response_id)
        assert response.status == "failed" and response.error is not None
        assert response.error.message == STOPPED
        with pytest.raises(BadRequestError, match="its events went with the server that made it"):
            resumed(client, response_id)
        with pytest.raises(BadRequestError, match="Cannot cancel a failed response"):
            client.responses.cancel(response_id)
        assert ask(client, previous_response_id=response_id).output_text == "Once more."
