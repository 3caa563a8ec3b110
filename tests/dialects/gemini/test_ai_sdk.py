"""The AI SDK on Node with its provider for Google: contents that are generated, and interactions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.model import ScriptedModel, say
from tests.support.node import needs_node, run_script
from tests.support.responses import run

pytestmark = [needs_node, pytest.mark.client("@ai-sdk/google")]

SCRIPTS = ["responses_generate", "responses_stream"]
# It is silent for a while, so that a stream is kept alive.
SLOW = "import time; time.sleep(0.5)\nx = 41\nprint(6 * 7)\nn = open('a.csv', 'w').write('1')"


async def converse(script: str, url: str, *prompts: str, **request: Any) -> list[dict[str, Any]]:
    # Of other names the provider says that they have no code execution.
    asked = {"base_url": f"{url}/v1beta", "api_key": "one", "model": "gemini-2.5-flash", "prompts": list(prompts)}
    report = await run_script(script, **{"provider": "google", **asked, **request})
    turns: list[dict[str, Any]] = report["turns"]
    assert [turn.get("error") for turn in turns] == [None] * len(turns)
    return turns


@pytest.mark.shows("answer", "stream", "files out")
@pytest.mark.parametrize("script", SCRIPTS)
async def test_an_answer_has_its_code_in_it(url: str, model: ScriptedModel, script: str) -> None:
    model.script(run(SLOW, text="Let me see."), say("It is 42."))
    [turn] = await converse(script, url, "How much is it?")
    [step] = turn["steps"]
    assert turn["text"] == "Let me see.It is 42."
    [made], [result] = step["tool_calls"], step["tool_results"]
    assert (made["toolName"], made["providerExecuted"], made["input"]["code"]) == ("code_execution", True, SLOW)
    assert result["output"] == {"outcome": "OUTCOME_OK", "output": "42"}
    assert [(file["media_type"], file["base64"]) for file in turn["files"]] == [("text/csv", "MQ==")]
    assert (turn["finish_reason"], turn["usage"]["totalTokens"], step["warnings"]) == ("stop", 30, [])


@pytest.mark.shows("state")
@pytest.mark.parametrize("script", SCRIPTS)
async def test_a_second_turn_goes_on_in_the_same_sandbox(url: str, model: ScriptedModel, script: str) -> None:
    model.script(run(SLOW), say("Set."), run("print(x + 1)"), say("42."))
    _, second = await converse(script, url, "Remember 41.", "One more?")
    [result] = second["steps"][0]["tool_results"]
    assert result["output"] == {"outcome": "OUTCOME_OK", "output": "42"}


@pytest.mark.parametrize("script", SCRIPTS)
async def test_interactions_are_read_step_by_step(url: str, model: ScriptedModel, script: str) -> None:
    model.script(run(SLOW, text="Let me see."), say("It is 42."), say("Still 42."))
    turn, second = await converse(script, url, "How much is it?", "And now?", provider="interactions")
    [step] = turn["steps"]
    [made], [result] = step["tool_calls"], step["tool_results"]
    assert (made["toolName"], made["providerExecuted"], made["input"]["code"]) == ("code_execution", True, SLOW)
    assert (result["output"], turn["text"], second["text"]) == ("42", "Let me see.It is 42.", "Still 42.")
    assert (turn["finish_reason"], turn["usage"]["totalTokens"]) == ("stop", 30)
    model.script(run("print(x + 1)"), say("42."))
    previous = {"previousInteractionId": turn["provider_metadata"]["google"]["interactionId"]}
    [third] = await converse(script, url, "One more?", provider="interactions", options=previous)
    assert third["steps"][0]["tool_results"][0]["output"] == "42"
