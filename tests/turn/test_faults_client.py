"""A client that goes away takes its turn with it: the model call, the code, and everything that was held for it."""

from __future__ import annotations

import anyio
import pytest

from insitu.errors import FileMissing
from tests.support.guest import appears
from tests.support.model import ScriptedModel, broken, call, hang, say
from tests.support.responses import run, told
from tests.support.turns import Place, begun, statuses
from tests.support.waiting import eventually

# Says that it is up, and notes how it ends.
ENDLESS = """
x = 1
try:
    open("up", "w").close()
    print("up", flush=True)
    while True: pass
except KeyboardInterrupt:
    open("interrupted", "w").close()
"""


pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_a_client_that_leaves_in_the_midst_of_a_text_ends_the_model_call(
    place: Place, model: ScriptedModel
) -> None:
    model.script(hang(say("It is a long story."), 2))
    stream = await place.stream()
    made = await begun(stream, "response.output_text.delta")
    await stream.close()
    await model.wait_closed(0)
    await place.idle()
    stored = await place.client.responses.retrieve(made)
    assert (stored.status, stored.output_text) == ("cancelled", "It is a ")
    assert statuses(stored) == [("message", "incomplete")]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_while_the_model_is_silent_ends_the_model_call(
    place: Place, model: ScriptedModel, stream: bool
) -> None:
    conversation = await place.client.conversations.create()
    model.script(hang(after=None))
    async with anyio.create_task_group() as leaving:
        leaving.start_soon(lambda: place.ask(stream=stream, conversation=conversation.id))
        await model.wait_received(0)
        leaving.cancel_scope.cancel()
    await model.wait_closed(0)
    await place.idle()
    # What was asked is not lost.
    assert [item.type async for item in place.client.conversations.items.list(conversation.id)] == ["message"]


async def test_a_client_that_leaves_a_stream_while_code_runs_interrupts_it(place: Place, model: ScriptedModel) -> None:
    model.script(run(ENDLESS))
    stream = await place.stream()
    made = await begun(stream, "insitu.output.delta")
    await stream.close()
    await place.idle()
    assert (place.session.info().state, await place.text("interrupted")) == ("idle", "")
    stored = await place.client.responses.retrieve(made)
    assert (stored.status, statuses(stored)) == ("cancelled", [("code_interpreter_call", "incomplete")])
    # It can be gone on from, with all that was there.
    model.script(run("x + 1"), say("Two."))
    assert (await place.ask(previous_response_id=made)).output_text == "Two."
    assert told(model.requests[2].body)[-1] == "2"


async def test_a_client_that_gives_up_a_plain_request_interrupts_all_its_code(
    place: Place, model: ScriptedModel
) -> None:
    conversation = await place.client.conversations.create()
    model.script(run(ENDLESS, "open('second', 'w').close()"))
    async with anyio.create_task_group() as leaving:
        leaving.start_soon(lambda: place.ask(conversation=conversation.id))
        await file_is_there(place, "up")
        leaving.cancel_scope.cancel()
    await place.idle()
    assert await place.text("interrupted") == ""
    with pytest.raises(FileMissing):
        await place.text("second")
    items = [item.type async for item in place.client.conversations.items.list(conversation.id, order="asc")]
    assert items == ["message", "code_interpreter_call", "code_interpreter_call"]


async def test_a_client_that_leaves_between_two_steps_ends_the_second_model_call(
    place: Place, model: ScriptedModel
) -> None:
    model.script(run("x = 1"), hang(after=None))
    async with anyio.create_task_group() as leaving:
        leaving.start_soon(place.ask)
        await model.wait_received(1)
        leaving.cancel_scope.cancel()
    await model.wait_closed(1)


async def test_a_client_that_leaves_ends_what_is_asked_for_again(place: Place, model: ScriptedModel) -> None:
    model.script(broken(say("Never."), 1), hang(after=None))
    async with anyio.create_task_group() as leaving:
        leaving.start_soon(place.ask)
        await model.wait_received(1)
        leaving.cancel_scope.cancel()
    await model.wait_closed(1)


async def test_a_client_may_leave_at_any_moment(place: Place, model: ScriptedModel) -> None:
    for step in range(40):
        model.script(call(("python", {"code": "1"}), ("python", {"code": "2"})), say("Done."))
        with anyio.move_on_after(step * 0.003):
            await place.ask(stream=step % 2 == 0)
        await place.clear()
        model.forget()
    model.script(run("6 * 7"), say("42."))
    assert (await place.ask()).output_text == "42."


async def test_a_response_that_is_cancelled_as_it_begins_is_stored_so(place: Place, model: ScriptedModel) -> None:
    model.script(hang(after=None))
    made = await place.ask(background=True)
    cancelled = await place.client.responses.cancel(made.id)
    assert cancelled.status == "cancelled"
    await place.idle()
    assert (await place.client.responses.retrieve(made.id)).status == "cancelled"
    model.forget()


async def file_is_there(place: Place, path: str) -> None:
    """Return once a file of the one session is there."""
    await eventually(lambda: place.service.engine.load["executions"] > 0)
    await appears(place.session.files, path)
