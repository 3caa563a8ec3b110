"""Code that waits for its client between two requests, while connections break off and servers stop."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import anyio
import pytest
from openai.types.responses import Response

from insitu.turn.loop import Loop
from insitu.turn.request import TurnRequest
from tests.support.guest import chunks
from tests.support.model import Json, ScriptedModel, hang, say
from tests.support.responses import PYTHON, WEATHER, logs, run, told
from tests.support.turns import Place, begun, statuses
from tests.support.waiting import eventually

TOOLS: Any = [PYTHON, {**WEATHER, "allowed_callers": ["programmatic"]}]
ONE = "print(tools.weather(city='Ulm'))"
# Notes how often it has got so far, and goes on when it is told to.
HELD = f"""
import os, time
{ONE}
open("runs", "a").write("x")
while not os.path.exists("go"): time.sleep(0.01)
"""
# Notes that it ends before it has called anybody.
ENDLESS = f"""
try:
    print("up", flush=True)
    while True: pass
finally:
    open("ended", "w").close()
{ONE}
"""


pytestmark = pytest.mark.usefixtures("nothing_left")


def answers(response: Response, *given: str) -> list[Any]:
    ids = [item.call_id for item in response.output if item.type == "function_call"]
    return [
        {"type": "function_call_output", "call_id": call_id, "output": answer}
        for call_id, answer in zip(ids, given, strict=True)
    ]


def going_on(response: Response, *given: str) -> Json:
    return {"tools": TOOLS, "previous_response_id": response.id, "input": answers(response, *given)}


async def test_a_stream_that_is_dropped_at_the_call_leaves_it_waiting(place: Place, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."))
    stream = await place.stream(tools=TOOLS)
    made = await begun(stream, "response.function_call_arguments.done")
    await stream.close()
    await eventually(lambda: not place.service.turns.running)
    first = await place.client.responses.retrieve(made)
    second = await place.ask(**going_on(first, "rain"))
    assert (second.output_text, logs(second)) == ("Rain.", ["rain"])


async def test_a_client_that_leaves_while_its_code_goes_on_finds_it_again(place: Place, model: ScriptedModel) -> None:
    model.script(run(HELD), say("Rain."))
    first = await place.ask(tools=TOOLS)
    stream = await place.stream(**going_on(first, "rain"))
    await begun(stream, "insitu.output.delta")
    await stream.close()
    await eventually(lambda: not place.service.turns.running)
    second: list[Response] = []

    async def ask_again() -> None:
        second.append(await place.ask(**going_on(first, "hail")))

    async with anyio.create_task_group() as group:
        group.start_soon(ask_again)
        await eventually(lambda: place.service.turns.running == 1)
        await place.session.files.write("go", chunks(b""))
    assert (second[0].output_text, logs(second[0])) == ("Rain.", ["rain"])
    assert await place.text("runs") == "x"


async def test_two_that_answer_at_once_run_nothing_twice(place: Place, model: ScriptedModel) -> None:
    model.script(run(HELD), say("Rain."), say("Rain."))
    first = await place.ask(tools=TOOLS)
    found: list[Response] = []

    async def go_on(answer: str) -> None:
        found.append(await place.ask(**going_on(first, answer)))

    async with anyio.create_task_group() as group:
        group.start_soon(go_on, "rain")
        group.start_soon(go_on, "rain")
        await eventually(lambda: place.service.turns.running == 2)
        await place.session.files.write("go", chunks(b""))
    assert [(each.output_text, logs(each)) for each in found] == [("Rain.", ["rain"])] * 2
    assert await place.text("runs") == "x"


async def test_a_client_that_leaves_before_the_call_ends_its_code(place: Place, model: ScriptedModel) -> None:
    model.script(run(ENDLESS))
    stream = await place.stream(tools=TOOLS)
    await begun(stream, "insitu.output.delta")
    await stream.close()
    await place.idle()
    assert await place.text("ended") == ""


async def test_a_model_that_fails_when_the_code_is_over_costs_no_code(place: Place, model: ScriptedModel) -> None:
    model.script(run(f"open('runs', 'a').write('x')\n{ONE}"), hang(after=None), say("Rain."))
    first = await place.ask(tools=TOOLS)
    stream = await place.stream(**going_on(first, "rain"))
    await begun(stream, "response.code_interpreter_call.completed")
    await model.wait_received(1)
    await stream.close()
    second = await place.ask(**going_on(first, "rain"))
    assert (second.output_text, logs(second)) == ("Rain.", ["rain"])
    assert told(model.requests[2].body) == told(model.requests[1].body)
    assert await place.text("runs") == "x"


async def test_what_waits_is_held_and_is_no_turn_that_runs(place: Place, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."))
    first = await place.ask(tools=TOOLS)
    assert place.service.turns.running == 0
    assert len(place.service.turns.runs) == 1
    second = await place.ask(**going_on(first, "rain"))
    assert statuses(second)[0] == ("code_interpreter_call", "completed")
    assert len(place.service.turns.runs) == 0


async def test_in_the_background_it_is_the_same(place: Place, model: ScriptedModel) -> None:
    model.script(run(ONE), say("Rain."))
    responses = place.client.responses
    made = await place.ask(tools=TOOLS, background=True)
    await place.service.turns.jobs.wait()
    first = await responses.retrieve(made.id)
    assert (first.status, statuses(first)[1]) == ("completed", ("function_call", "completed"))
    made = await place.ask(**going_on(first, "rain"), background=True)
    await place.service.turns.jobs.wait()
    assert (await responses.retrieve(made.id)).output_text == "Rain."


async def test_a_server_that_stops_waits_for_nobodys_answers(place: Place, model: ScriptedModel, serve: Any) -> None:
    model.script(run(ONE))
    async with serve(shutdown_s=600) as other:
        await other.ask(tools=TOOLS)
        with anyio.fail_after(20):
            await other.service.turns.drain(600)
            await eventually(lambda: other.service.engine.load["executions"] == 0)


@pytest.mark.parametrize("code", ["tools.weather()", "tools.weather(city=3)", "tools.other(city='Ulm')"])
async def test_a_call_that_cannot_be_is_an_exception_in_the_code(place: Place, model: ScriptedModel, code: str) -> None:
    model.script(run(code), say("Sorry."))
    response = await place.ask(tools=TOOLS)
    assert response.output_text == "Sorry."
    assert "Error" in logs(response)[0]


async def test_arguments_of_every_kind_come_as_json(place: Place, model: ScriptedModel) -> None:
    anything: Json = {"type": "function", "name": "echo", "parameters": {"type": "object"}}
    tools: Any = [PYTHON, {**anything, "allowed_callers": ["programmatic"]}]
    model.script(run("print(tools.echo({'a': [1, None, 'ä', {'b': 2.5}]}))"), say("Done."))
    first = await place.ask(tools=tools)
    [made] = [item for item in first.output if item.type == "function_call"]
    assert json.loads(made.arguments) == {"a": [1, None, "ä", {"b": 2.5}]}
    given = going_on(first, '{"found": [true, null]}') | {"tools": tools}
    assert logs(await place.ask(**given)) == ["{'found': [True, None]}"]


async def test_code_that_waits_holds_on_to_nothing_of_the_request(
    place: Place, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops: list[weakref.ref[Loop]] = []

    class NotedLoop(Loop):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            loops.append(weakref.ref(self))

    monkeypatch.setattr("insitu.turn.turns.Loop", NotedLoop)
    model.script(run(ONE), say("Rain."))
    gc.collect()
    gc.disable()
    try:
        first = await place.ask(tools=TOOLS)
        assert len(place.service.turns.runs) == len(loops) == 1
        await eventually(lambda: loops[0]() is None)
        assert [thing for thing in gc.get_objects() if type(thing) is TurnRequest] == []
    finally:
        gc.enable()
    assert (await place.ask(**going_on(first, "rain"))).output_text == "Rain."
