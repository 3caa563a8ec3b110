"""Interactions in the background: polled, followed from any event on, cancelled."""

from __future__ import annotations

import threading

import anyio
import pytest
from google import genai

from tests.dialects.conftest import KEYS
from tests.support.interactions import check, follow, interact, put_together, refused, stream, until_called
from tests.support.model import ScriptedModel, hang, say, until
from tests.support.responses import run
from tests.support.waiting import wait_until

from .conftest import Connect

pytestmark = pytest.mark.client("google-genai", "interactions")


def status(gemini: genai.Client, interaction_id: str) -> str:
    return str(gemini.interactions.get(id=interaction_id).status)


@pytest.mark.shows("background")
def test_it_is_made_while_nobody_waits(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("print(42)"), say("Done."))
    made = interact(gemini, background=True)
    assert made.status == "in_progress"
    wait_until(lambda: status(gemini, made.id) == "completed")
    assert gemini.interactions.get(id=made.id).output_text == "Done."


def test_its_stream_is_followed_from_any_event_on(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("print(42)"), say("Done."))
    events = follow(gemini, background=True)
    made = events[-1].interaction.id
    again = check(gemini.interactions.get(id=made, stream=True))
    assert [event.model_dump() for event in again] == [event.model_dump() for event in events]
    rest = check(gemini.interactions.get(id=made, stream=True, last_event_id=events[4].event_id))
    assert [event.event_id for event in rest] == [event.event_id for event in events[5:]]


def test_it_goes_on_without_its_reader_and_is_followed_again(gemini: genai.Client, model: ScriptedModel) -> None:
    left = threading.Event()
    model.script(run("print(42)"), until(left, say("Done.")))
    with stream(gemini, background=True) as events:
        seen = until_called(events)
    made = seen[0].interaction.id
    assert status(gemini, made) == "in_progress"
    with gemini.interactions.get(id=made, stream=True, last_event_id=seen[-1].event_id) as events:
        left.set()
        rest = check(events)
    whole = [event.model_dump() for event in [*seen, *rest]]
    assert [event["event_id"] for event in whole] == [str(number + 1) for number in range(len(whole))]
    assert whole[-1]["interaction"]["status"] == "completed"
    assert [event.model_dump() for event in check(gemini.interactions.get(id=made, stream=True))] == whole


def test_another_owners_are_not_there_while_they_are_made(
    gemini: genai.Client, url: str, connect_genai: Connect, model: ScriptedModel
) -> None:
    looked, stranger = threading.Event(), connect_genai(url, KEYS[1])
    model.script(until(looked, say("Done.")))
    made = interact(gemini, background=True)
    for do in (stranger.interactions.get, stranger.interactions.cancel, stranger.interactions.delete):
        with refused(404, match="there is no interaction"):
            do(id=made.id)
    with refused(404, match="there is no interaction"):
        list(stranger.interactions.get(id=made.id, stream=True))
    with refused(404, match="to go on from"):
        interact(stranger, previous_interaction_id=made.id)
    looked.set()
    wait_until(lambda: status(gemini, made.id) == "completed")


def test_it_is_cancelled_and_what_there_is_stays(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(run("print(42)"), hang(say("Never to be heard of, never."), 3))
    made = interact(gemini, background=True)
    wait_until(lambda: len(gemini.interactions.get(id=made.id).steps or []) == 3)
    assert gemini.interactions.cancel(id=made.id).status == "cancelled"
    kept = gemini.interactions.get(id=made.id)
    assert (kept.status, kept.steps and kept.steps[1].type) == ("cancelled", "code_execution_result")
    last = check(gemini.interactions.get(id=made.id, stream=True))[-1]
    assert (last.event_type, last.interaction.status) == ("interaction.completed", "cancelled")


def test_what_has_ended_is_not_cancelled_and_without_background_not_followed_again(
    gemini: genai.Client, model: ScriptedModel
) -> None:
    model.script(say("Hi."))
    made = interact(gemini)
    with refused(400, match="is completed and cannot be cancelled"):
        gemini.interactions.cancel(id=made.id)
    with refused(400, match="made with background"):
        gemini.interactions.get(id=made.id, stream=True)


def test_what_is_deleted_meanwhile_ends(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(hang(say("Never to be heard of, never."), 3))
    made = interact(gemini, background=True)
    wait_until(lambda: not model.left)
    gemini.interactions.delete(id=made.id)
    anyio.run(model.wait_closed, 0)
    with refused(404):
        gemini.interactions.get(id=made.id)


def test_what_is_not_stored_is_found_by_nobody_while_it_is_made(gemini: genai.Client, model: ScriptedModel) -> None:
    looked = threading.Event()
    model.script(run("1"), until(looked, say("Done.")))
    with stream(gemini, store=False) as events:
        made = next(events).interaction.id
        for do in (gemini.interactions.get, gemini.interactions.cancel, gemini.interactions.delete):
            with refused(404):
                do(id=made)
        with refused(404, match="to go on from"):
            interact(gemini, previous_interaction_id=made)
        looked.set()
        assert put_together(list(events))[-1]["content"][0]["text"] == "Done."


def test_nobody_goes_on_from_one_that_has_not_ended(gemini: genai.Client, model: ScriptedModel) -> None:
    model.script(hang(say("Never to be heard of, never."), 3))
    made = interact(gemini, background=True)
    with refused(400, match="has not ended yet"):
        interact(gemini, previous_interaction_id=made.id)
    wait_until(lambda: not model.left)
    gemini.interactions.cancel(id=made.id)


def test_a_last_event_that_is_none_is_refused(gemini: genai.Client) -> None:
    with refused(400, match="last_event_id"):
        gemini.interactions.get(id="int_1", stream=True, last_event_id="x")
