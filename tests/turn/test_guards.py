"""Nothing loops for ever, and nothing is billed without end: a turn ends at its guards, with what there is."""

from __future__ import annotations

from typing import Any

import anyio
import openai
import pytest

from tests.support.model import ScriptedModel, call, hang, say
from tests.support.responses import run, told
from tests.support.turns import Place, begun, statuses
from tests.turn.conftest import Served

COUNT = "print('x', file=open('ran', 'a'), end='')"
ENDLESS = """
try:
    print("up", flush=True)
    while True: pass
except KeyboardInterrupt:
    open("interrupted", "w").close()
"""
ONCE_MORE = "once more ends the turn]"


def reason(response: Any) -> tuple[str, str | None]:
    """How a response ended, and why it is not complete."""
    return response.status, response.incomplete_details and response.incomplete_details.reason


def steps(most: int) -> dict[str, Any]:
    """The caller's wish for so many model calls at the most."""
    return {"extra_body": {"insitu": {"max_steps": most}}}


async def test_the_last_step_is_for_the_answer(place: Place, model: ScriptedModel) -> None:
    model.script(run(COUNT), run(COUNT), say("Done."))
    response = await place.ask(**steps(3))
    assert (reason(response), response.output_text) == (("completed", None), "Done.")
    assert [body.body.get("tool_choice") for body in model.requests] == [None, None, "none"]
    assert model.requests[2].body["tools"] == model.requests[0].body["tools"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_calls_on_in_its_last_step_is_stopped(
    place: Place, model: ScriptedModel, stream: bool
) -> None:
    model.script(run(COUNT), run(COUNT, text="Once more."))
    response = (await place.events(**steps(2)))[-1].response if stream else await place.ask(**steps(2))
    assert (reason(response), response.output_text) == (("incomplete", "max_steps"), "Once more.")
    assert statuses(response) == [("code_interpreter_call", "completed"), ("message", "completed")]
    assert await place.text("ran") == "x"
    # Who goes on from it, goes on from what there is.
    model.script(say("Done."))
    assert (await place.ask(previous_response_id=response.id)).output_text == "Done."
    assert [message["role"] for message in model.requests[2].body["messages"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


async def test_a_model_with_one_step_gets_no_tools_to_call(place: Place, model: ScriptedModel) -> None:
    model.script(say("Done."))
    assert (await place.ask(**steps(1))).output_text == "Done."
    assert model.requests[0].body["tool_choice"] == "none"


async def test_the_operators_bounds_of_steps_tokens_and_turns(serve: Served, model: ScriptedModel) -> None:
    async with serve(max_steps=2, max_turn_tokens=40, max_turns=1) as place:
        model.script(run(COUNT), run(COUNT))
        assert reason(await place.ask(**steps(10))) == ("incomplete", "max_steps")
        model.script(call(("python", {"code": COUNT}), usage=(30, 10)))
        response = await place.ask()
        assert reason(response) == ("incomplete", "max_tokens")
        assert response.usage
        assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (30, 10, 40)
        model.script(hang(after=None))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(place.ask)
            await model.wait_received(3)
            for background in (False, True):
                with pytest.raises(openai.InternalServerError) as raised:
                    await place.ask(background=background)
                assert (raised.value.status_code, raised.value.code) == (503, "server_full")
                assert raised.value.response.headers["retry-after"] == "1"
            tasks.cancel_scope.cancel()
        await place.idle()
        model.script(say("There is room again."))
        assert (await place.ask()).output_text == "There is room again."


async def test_the_tokens_that_may_be_written_are_those_of_all_steps(place: Place, model: ScriptedModel) -> None:
    model.script(run("1"), run("2"), run("3"))
    response = await place.ask(max_output_tokens=12)
    assert reason(response) == ("incomplete", "max_output_tokens")
    assert [each.body["max_tokens"] for each in model.requests] == [12, 7, 2]
    assert response.usage
    assert response.usage.output_tokens == 15


@pytest.mark.parametrize(("finish", "told_as"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
async def test_a_call_that_was_cut_off_is_not_run(
    place: Place, model: ScriptedModel, finish: str, told_as: str
) -> None:
    model.script(call(("python", {"code": COUNT}), text="Let me see.", finish_reason=finish))
    response = await place.ask()
    assert reason(response) == ("incomplete", told_as)
    assert statuses(response) == [("message", "completed"), ("code_interpreter_call", "incomplete")]
    assert place.service.engine.sessions() == []
    model.script(say("Done."))
    assert (await place.ask(previous_response_id=response.id)).output_text == "Done."


async def test_a_turn_whose_time_is_over_ends_with_what_there_is(serve: Served, model: ScriptedModel) -> None:
    async with serve(turn_timeout_s=1) as place:
        model.script(run(ENDLESS, text="Let me see."))
        stream = await place.stream()
        await begun(stream, "insitu.output.delta")
        last = [event async for event in stream][-1]
        assert (last.type, reason(last.response)) == ("response.incomplete", ("incomplete", "max_time"))
        assert statuses(last.response) == [("message", "completed"), ("code_interpreter_call", "incomplete")]
        await place.idle()
        assert (place.session.info().state, await place.text("interrupted")) == ("idle", "")
        model.script(hang(say("It is a long story."), 2))
        response = await place.ask()
        assert (reason(response), response.output_text) == (("incomplete", "max_time"), "It is a ")
        assert statuses(response) == [("message", "incomplete")]
        await model.wait_closed(1)
        model.script(hang(after=None))
        silent = await place.ask()
        assert (reason(silent), silent.output) == (("incomplete", "max_time"), [])


async def test_a_model_that_repeats_an_error_is_told_once_and_then_stopped(place: Place, model: ScriptedModel) -> None:
    model.script(*[run("1 / 0")] * 4)
    response = await place.ask()
    assert reason(response) == ("incomplete", "repeated_error")
    assert len(response.output) == 4
    assert [answer.endswith(ONCE_MORE) for answer in told(model.requests[3].body)] == [False, False, True]


async def test_a_model_that_mends_its_error_goes_on(place: Place, model: ScriptedModel) -> None:
    model.script(*[run("1 / 0")] * 3, run("1"), *[run("1 / 0")] * 2, run("[][0]"), run("1 / 0"), say("Sorry."))
    assert (await place.ask()).output_text == "Sorry."
    assert sum(answer.endswith(ONCE_MORE) for answer in told(model.requests[8].body)) == 1


async def test_it_is_told_before_it_is_stopped_also_if_it_errs_many_times_at_once(
    place: Place, model: ScriptedModel
) -> None:
    model.script(run(*["1 / 0"] * 6), run("1 / 0"))
    assert reason(await place.ask()) == ("incomplete", "repeated_error")
    assert [answer.endswith(ONCE_MORE) for answer in told(model.requests[1].body)] == [*[False] * 2, True, *[False] * 3]


@pytest.mark.parametrize("nonsense", [("python", "{nonsense"), ("search", {"query": "x"})])
async def test_calls_that_cannot_be_run_are_errors_too(place: Place, model: ScriptedModel, nonsense: Any) -> None:
    model.script(*[call(nonsense)] * 4)
    assert reason(await place.ask()) == ("incomplete", "repeated_error")
    assert told(model.requests[3].body)[2].endswith(ONCE_MORE)
