"""The AI SDK on Node with its provider for Google: contents that are generated, and interactions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.majors import usual_major
from tests.support.model import ScriptedModel, call, fail, hang, say
from tests.support.node import needs_node, run_script
from tests.support.picture import PNG, SHOW
from tests.support.responses import run, told

pytestmark = [needs_node, pytest.mark.client("@ai-sdk/google")]

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["generate", "stream"])
# It is silent for a while, so that a stream is kept alive.
SLOW = "import time; time.sleep(0.5)\nx = 41\nprint(6 * 7)\nn = open('a.csv', 'w').write('1')"
READ = "print(open('file-1.csv').read() * 2)"
CSV = {"type": "file", "mediaType": "text/csv", "data": "MSwyCg=="}


async def converse(url: str, *prompts: Any, script: str = "converse", **request: Any) -> dict[str, Any]:
    # Of other names than Gemini's the provider says that they have no code execution.
    asked = {"base_url": f"{url}/v1beta", "api_key": "one", "model": "gemini-2.5-flash", "provider": "google"}
    return await run_script(script, prompts=list(prompts), **asked | request)


async def succeed(url: str, *prompts: Any, **request: Any) -> list[dict[str, Any]]:
    """The turns of a conversation in which nothing fails."""
    turns: list[dict[str, Any]] = (await converse(url, *prompts, **request))["turns"]
    assert [turn.get("error") for turn in turns] == [None] * len(turns)
    return turns


@pytest.mark.shows("answer", "stream", "files out", "silence")
@BOTH
async def test_an_answer_has_its_code_in_it(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(run(SLOW, text="Let me see."), say("It is 42."))
    [turn] = await succeed(url, "How much is it?", stream=stream)
    [step] = turn["steps"]
    assert turn["text"] == "Let me see.It is 42."
    [made], [result] = step["tool_calls"], step["tool_results"]
    assert (made["toolName"], made["providerExecuted"], made["input"]["code"]) == ("code_execution", True, SLOW)
    assert result["output"] == {"outcome": "OUTCOME_OK", "output": "42"}
    assert [(file["media_type"], file["base64"]) for file in turn["files"]] == [("text/csv", "MQ==")]
    assert (turn["finish_reason"], turn["usage"]["totalTokens"], step["warnings"]) == ("stop", 30, [])


@pytest.mark.shows("state")
@BOTH
async def test_a_second_turn_goes_on_in_the_same_sandbox(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(run(SLOW), say("Set."), run("print(x + 1)"), say("42."))
    _, second = await succeed(url, "Remember 41.", "One more?", stream=stream)
    [result] = second["steps"][0]["tool_results"]
    assert result["output"] == {"outcome": "OUTCOME_OK", "output": "42"}


@pytest.mark.parametrize("name", ["gemini-local", "models/mine/gemini-local", "models/a.gemini-b"])
async def test_any_name_that_has_gemini_in_its_place_runs_code(url: str, model: ScriptedModel, name: str) -> None:
    model.script(run("6 * 7"), say("42."))
    [turn] = await succeed(url, "How much is it?", model=name)
    assert turn["steps"][0]["warnings"] == []
    assert model.requests[0].body["model"] == name.removeprefix("models/")
    assert told(model.requests[-1].body) == ["42"]


@pytest.mark.shows("images")
@BOTH
async def test_figures_are_files_of_the_answer(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(run(SHOW), say("There."))
    [turn] = await succeed(url, "Draw it.", stream=stream)
    assert [(file["media_type"], file["base64"]) for file in turn["files"]] == [("image/png", PNG)]


@pytest.mark.shows("files in")
async def test_a_file_of_the_clients_is_where_code_runs(url: str, model: ScriptedModel) -> None:
    model.script(run(READ), say("Done."))
    await succeed(url, [{"type": "text", "text": "Double it."}, CSV])
    assert told(model.requests[-1].body) == ["1,2\n1,2"]


@usual_major
@pytest.mark.shows("upload")
async def test_a_file_that_was_uploaded_is_as_well(url: str, model: ScriptedModel) -> None:
    model.script(run(READ.replace("file-1", "a")), say("Done."))
    file = {"mediaType": "text/csv", "data": {"type": "text", "text": "1,2\n"}}
    await succeed(
        url, "Double it.", script="files", file=file | {"providerOptions": {"google": {"displayName": "a.csv"}}}
    )
    assert told(model.requests[-1].body) == ["1,2\n1,2"]


@usual_major  # before, the provider sends neither code's result back nor, from a stream, what its sandbox is found by
@pytest.mark.shows("functions")
@BOTH
async def test_a_tool_that_the_client_runs_itself(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(
        call(("python", {"code": "x = 20"}), ("weather", {"city": "Ulm"})),
        run("print(x + 1)"),
        say("21 degrees."),
    )
    # Of Gemini 2 the provider says that it can't have both.
    report = await converse(url, "How warm is it?", model="gemini-3-pro-preview", stream=stream, weather=True)
    [turn] = report["turns"]
    assert (turn.get("error"), report["executed"]) == (None, ["Ulm"])
    first, last = turn["steps"]
    assert {made["toolName"]: bool(made.get("providerExecuted")) for made in first["tool_calls"]} == {
        "code_execution": True,
        "weather": False,
    }
    assert (first["finish_reason"], last["text"]) == ("tool-calls", "21 degrees.")
    weather = '{"name": "weather", "content": {"city": "Ulm", "degrees": 21}}'
    assert sorted(told(model.requests[-1].body)) == ["21", "[no output]", weather]


@pytest.mark.shows("errors")
@BOTH
async def test_what_is_refused_says_why(url: str, model: ScriptedModel, stream: bool) -> None:
    [turn] = (await converse(url, "How much is it?", stream=stream, extra_body={"cachedContent": "c"}))["turns"]
    assert turn["error"]["status"] == 400
    assert "cachedContent" in turn["error"]["message"]
    assert model.requests == []


@BOTH
async def test_a_model_server_that_fails_once_code_has_run(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(run("1"), fail(400))
    [turn] = (await converse(url, "How much is it?", stream=stream))["turns"]
    assert "The scripted model fails with 400." in str(turn["error"])
    assert len(model.requests) == 2


@pytest.mark.shows("leaving")
async def test_who_leaves_ends_turn_and_upstream(url: str, model: ScriptedModel) -> None:
    model.script(run("print(1)"), hang(say("It is 42 indeed."), after=3))
    [turn] = await succeed(url, "How much is it?", stream=True, leave_at="text-delta")
    assert turn["parts"][-1]["type"] == "abort"
    await model.wait_closed(1)


@BOTH
async def test_interactions_are_read_step_by_step(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(run(SLOW, text="Let me see."), say("It is 42."), say("Still 42."))
    turn, second = await succeed(url, "How much is it?", "And now?", provider="interactions", model="m", stream=stream)
    [step] = turn["steps"]
    [made], [result] = step["tool_calls"], step["tool_results"]
    assert (made["toolName"], made["providerExecuted"], made["input"]["code"]) == ("code_execution", True, SLOW)
    assert (result["output"], turn["text"], second["text"]) == ("42", "Let me see.It is 42.", "Still 42.")
    assert (turn["finish_reason"], turn["usage"]["totalTokens"]) == ("stop", 30)
    model.script(run("print(x + 1)"), say("42."))
    previous = {"previousInteractionId": turn["provider_metadata"]["google"]["interactionId"]}
    [third] = await succeed(url, "One more?", provider="interactions", model="m", stream=stream, options=previous)
    assert third["steps"][0]["tool_results"][0]["output"] == "42"


@BOTH
async def test_a_tool_of_the_clients_goes_with_interactions_too(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(run("x = 20"), call(("weather", {"city": "Ulm"})), run("print(x + 1)"), say("21 degrees."))
    asked = {"provider": "interactions", "model": "m", "weather": True}
    [turn] = await succeed(url, "How warm is it?", stream=stream, **asked)
    assert turn["text"] == "21 degrees."
    # Of code that ran before, this provider tells nothing; its sandbox is found again by what the call is signed with.
    assert told(model.requests[-1].body) == ['{"city":"Ulm","degrees":21}', "21"]
