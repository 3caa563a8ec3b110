"""Interactions whose client leaves before they have ended."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import httpx2
import pytest
from google import genai

from tests.support.interactions import ASKED, interact, stream, until_called
from tests.support.model import ScriptedModel, hang, say
from tests.support.responses import run
from tests.support.waiting import eventually, wait_until

from .conftest import Connect


def executions(metrics: httpx2.Response) -> int:
    """How many wait or run."""
    [line] = [line for line in metrics.text.splitlines() if line.startswith("insitu_executions ")]
    return int(line.split()[1])


def test_a_stream_that_is_left_ends_its_code_and_is_stored_as_it_is(
    gemini: genai.Client, http: httpx2.Client, model: ScriptedModel
) -> None:
    model.script(run("n = 1"), run("while True: pass"))
    with stream(gemini) as events:
        made = until_called(events, 2)[0].interaction.id
        wait_until(lambda: executions(http.get("/metrics")) == 1)
    wait_until(lambda: gemini.interactions.get(id=made).status == "cancelled")
    kept: Any = gemini.interactions.get(id=made).steps
    assert [step.type for step in kept] == ["code_execution_call", "code_execution_result", "code_execution_call"]
    # Its sandbox is as it was, and free.
    model.script(run("n + 1"), say("Two."))
    second = interact(gemini, previous_interaction_id=made)
    assert (second.steps[1].result, second.output_text) == ("2", "Two.")


async def test_a_plain_request_that_is_given_up_ends_its_code(
    url: str, connect_genai: Connect, async_http: httpx2.AsyncClient, model: ScriptedModel
) -> None:
    gemini = connect_genai(url)
    model.script(run("while True: pass"))

    async def are(count: int) -> bool:
        return executions(await async_http.get("/metrics")) == count

    async with anyio.create_task_group() as leaving:
        leaving.start_soon(partial(gemini.aio.interactions.create, **ASKED))
        await eventually(lambda: are(1))
        leaving.cancel_scope.cancel()
    await eventually(lambda: are(0))
    await gemini.aio.aclose()


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_model_call_ends_with_the_client(
    url: str, connect_genai: Connect, model: ScriptedModel, streamed: bool
) -> None:
    gemini = connect_genai(url)
    model.script(hang(after=None))
    async with anyio.create_task_group() as leaving:
        leaving.start_soon(partial(gemini.aio.interactions.create, **ASKED, stream=streamed))
        await model.wait_received(0)
        leaving.cancel_scope.cancel()
    await model.wait_closed(0)
    await gemini.aio.aclose()
