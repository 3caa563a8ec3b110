"""A sandbox that dies takes variables and files with it, and nothing else: the model is told, and gets a new one."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support.model import Json, ScriptedModel, call, say
from tests.support.processes import await_ends, named
from tests.support.responses import PYTHON, SHELL, logs, run, told
from tests.support.turns import Place, statuses

ENDLESS = "x = 1\nprint('up', flush=True)\nwhile True: pass"
GONE = "The sandbox is gone, with its variables and files; the next call gets a new one]"


@pytest.fixture(autouse=True)
def no_defects(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The server does not take it for a fault of its own."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelname == "ERROR"] == []


def kill_sandboxes() -> None:
    """As a want of memory on the host would do it."""
    agents = named("insitu-agent")
    assert agents
    for agent in agents:
        os.kill(agent, signal.SIGKILL)
    await_ends(agents)


async def events_of_a_death(place: Place, **asked: Any) -> list[Any]:
    """All events of a response whose sandbox dies once its code has written something."""
    events: list[Any] = []
    outputs = ("insitu.output.delta", "response.shell_call_output_content.delta")
    async for event in await place.stream(**asked):
        if event.type in outputs and not any(earlier.type in outputs for earlier in events):
            kill_sandboxes()
        events.append(event)
    return events


async def test_files_that_came_with_the_request_are_in_the_next_sandbox(place: Place, model: ScriptedModel) -> None:
    content = base64.b64encode(b"1,2").decode()
    attached = {"type": "input_file", "filename": "a.csv", "file_data": f"data:text/csv;base64,{content}"}
    model.script(run("open('a.csv').read()"), run(ENDLESS), run("open('a.csv').read()"), say("Again."))
    asked = [{"role": "user", "content": [attached, {"type": "input_text", "text": "What is it?"}]}]
    last = (await events_of_a_death(place, input=asked))[-1]
    assert (last.response.output_text, logs(last.response)[0], logs(last.response)[2]) == ("Again.", "'1,2'", "'1,2'")


async def test_files_that_no_code_has_asked_for_go_with_their_request(place: Place, model: ScriptedModel) -> None:
    container = await place.container()
    tools = [{"type": "code_interpreter", "container": container.id}]
    attached = {"type": "input_file", "filename": "a.csv", "file_data": base64.b64encode(b"1,2").decode()}
    model.script(say("Fine."), run("import os; os.listdir()"), say("None."))
    await place.ask(input=[{"role": "user", "content": [attached]}], tools=tools)
    assert container.empty
    assert logs(await place.ask(tools=tools)) == ["[]"]


async def test_a_sandbox_that_dies_while_code_runs_is_replaced(place: Place, model: ScriptedModel) -> None:
    model.script(run(ENDLESS), run("'x' in globals()"), say("Sorry."))
    last = (await events_of_a_death(place))[-1]
    assert (last.type, last.response.output_text) == ("response.completed", "Sorry.")
    assert statuses(last.response) == [
        ("code_interpreter_call", "failed"),
        ("code_interpreter_call", "completed"),
        ("message", "completed"),
    ]
    assert logs(last.response)[1] == "False"
    first, second = told(model.requests[2].body)
    assert (first[0], first.endswith(GONE), second) == ("[", True, "False")
    assert logs(last.response)[0] == first
    old, new = (item.container_id for item in last.response.output[:2])
    assert old != new
    assert (await place.client.containers.retrieve(old)).status == "expired"
    assert (await place.client.containers.retrieve(new)).status == "running"
    # The next turn goes on in the new one.
    model.script(run("y = 2"), say("Yes."))
    again = await place.ask(previous_response_id=last.response.id)
    assert again.output[0].to_dict()["container_id"] == new
    assert len(place.service.engine.sessions()) == 1


async def test_all_calls_that_run_or_wait_in_it_are_told(place: Place, model: ScriptedModel) -> None:
    model.script(run(ENDLESS, "1", "2"), run("6 * 7"), say("Sorry."))
    last = (await events_of_a_death(place))[-1]
    assert last.type == "response.completed"
    answers = told(model.requests[2].body)
    assert [answer.endswith(GONE) for answer in answers] == [True, True, True, False]
    assert answers[3] == "42"


async def test_one_that_dies_under_shell_commands_is_replaced(place: Place, model: ScriptedModel) -> None:
    commands = {"commands": ["echo up; sleep 1000", "sleep 1000"]}
    model.script(call(("shell", commands)), call(("shell", {"commands": ["echo hello"]})), say("Sorry."))
    last = (await events_of_a_death(place, tools=[SHELL]))[-1]
    assert (last.type, last.response.output_text) == ("response.completed", "Sorry.")
    first, second = told(model.requests[2].body)
    assert first.endswith(GONE)
    assert second == "hello\n[exit code 0]"


async def test_one_that_dies_between_two_steps_is_replaced(place: Place, model: ScriptedModel) -> None:
    def die(_: Json) -> Any:
        kill_sandboxes()
        return run("y = 1")

    model.script(run("open('a.txt', 'w').write('a'); x = 1"), die, run("'x' in globals()"))
    model.script(say("See [a](sandbox:/mnt/data/a.txt)."))
    response = await place.ask()
    assert (response.status, response.output_text) == ("completed", "See [a](sandbox:/mnt/data/a.txt).")
    answers = told(model.requests[3].body)
    assert answers[1].endswith(GONE)
    assert answers[2] == "False"


async def test_one_that_dies_between_two_turns_is_replaced_and_the_model_is_told(
    place: Place, model: ScriptedModel
) -> None:
    model.script(run("x = 1"), say("One."))
    first = await place.ask()
    kill_sandboxes()
    model.script(run("'x' in globals()"), say("Gone."))
    second = await place.ask(previous_response_id=first.id)
    assert logs(second) == ["False"]
    assert model.requests[2].body["messages"][0]["role"] == "system"
    assert "has expired: its variables and files are gone" in model.requests[2].body["messages"][0]["content"]
    # Once it is known, nobody needs to be told again.
    model.script(say("No."))
    await place.ask(previous_response_id=second.id)
    assert model.requests[4].body["messages"][0]["role"] == "user"


async def test_a_container_that_the_client_names_is_not_replaced_in_silence(place: Place, model: ScriptedModel) -> None:
    container = await place.container()
    tools = [{**PYTHON, "container": container.id}]
    model.script(run("x = 1"), say("One."))
    await place.ask(tools=tools)
    kill_sandboxes()
    with pytest.raises(openai.APIStatusError) as raised:
        await place.ask(tools=tools)
    assert (raised.value.status_code, raised.value.code) == (404, "container_expired")
    assert (await place.client.containers.retrieve(container.id)).status == "expired"


async def test_one_that_dies_after_its_code_costs_no_answer(place: Place, model: ScriptedModel) -> None:
    def die(_: Json) -> Any:
        kill_sandboxes()
        return say("It is [here](sandbox:/mnt/data/a.txt).")

    model.script(run("open('a.txt', 'w').write('a')"), die)
    response = await place.ask()
    assert (response.status, response.output_text) == ("completed", "It is [here](sandbox:/mnt/data/a.txt).")
