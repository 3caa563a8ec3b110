"""The AI SDK on Node with its provider for OpenAI, which asks for responses and refers to their items afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from openai import OpenAI

from tests.support.majors import usual_major
from tests.support.model import ScriptedModel, call, hang, reason, say
from tests.support.node import needs_node, run_script
from tests.support.picture import PNG, SHOW
from tests.support.responses import run, told

pytestmark = [needs_node, pytest.mark.client("@ai-sdk/openai")]

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["generate", "stream"])
STEPS = (
    run("n = open('a.csv', 'w').write('1')\nprint(6 * 7)", text="Let me see."),
    say("42: sandbox:/mnt/data/a.csv"),
)


async def converse(url: str, *prompts: Any, script: str = "converse", **request: Any) -> dict[str, Any]:
    asked = {"base_url": f"{url}/v1", "api_key": "one", "model": "m", "prompts": list(prompts)}
    return await run_script(script, **asked | request)


def check_answer(client: OpenAI, turn: dict[str, Any]) -> None:
    """The answer to STEPS, however it came."""
    [step] = turn["steps"]
    text, made, result, last, *_ = step["content"]
    assert [part["type"] for part in step["content"]] == ["text", "tool-call", "tool-result", "text", "source"]
    assert (text["text"], last["text"]) == ("Let me see.", "42: sandbox:/mnt/data/a.csv")
    assert made["providerExecuted"] is True and made["toolName"] == "python"
    assert made["input"]["code"] == "n = open('a.csv', 'w').write('1')\nprint(6 * 7)"
    assert result["output"] == {"outputs": [{"type": "logs", "logs": "42"}]}
    [source] = turn["sources"]
    place = source["providerMetadata"]["openai"]
    assert (source["filename"], place["containerId"]) == ("a.csv", made["input"]["containerId"])
    kept = client.containers.files.content.retrieve(place["fileId"], container_id=place["containerId"])
    assert kept.read() == b"1"
    assert (turn["finish_reason"], turn["usage"]["totalTokens"], step["warnings"]) == ("stop", 30, [])


@pytest.mark.shows("answer", "files out")
async def test_what_is_generated_has_its_code_in_it(url: str, client: OpenAI, model: ScriptedModel) -> None:
    model.script(*STEPS)
    report = await converse(url, "How much is it?")
    check_answer(client, report["turns"][0])


@pytest.mark.shows("stream")
async def test_what_is_streamed_comes_in_parts(url: str, client: OpenAI, model: ScriptedModel) -> None:
    model.script(*STEPS)
    report = await converse(url, "How much is it?", stream=True)
    [turn] = report["turns"]
    assert "error" not in turn
    check_answer(client, turn)
    kinds = [part["type"] for part in turn["parts"]]
    assert [kind for place, kind in enumerate(kinds) if kinds[place - 1] != kind] == [
        *("start", "start-step"),
        *("text-start", "text-delta", "text-end"),
        *("tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"),
        *("text-start", "text-delta", "source", "text-end"),
        *("finish-step", "finish"),
    ]
    # Live output is there for whoever looks for it, and in nobody's way.
    live = [event for event in turn["raw"] if event["type"] == "insitu.output.delta"]
    assert [(event["stream"], event["delta"]) for event in live] == [("stdout", "42\n")]


async def test_thoughts_are_shown_to_those_who_ask_for_a_summary(url: str, model: ScriptedModel) -> None:
    model.script(reason("Hm, let me count.", run("1")), say("One."))
    options = {"reasoningSummary": "auto"}
    report = await converse(url, "How much is it?", model="o4-mini", options=options, stream=True)
    parts = report["turns"][0]["parts"]
    assert "".join(part["text"] for part in parts if part["type"] == "reasoning-delta") == "Hm, let me count."


@BOTH
@pytest.mark.shows("state")
async def test_a_second_turn_refers_to_what_is_stored(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(run("x = 41", text="First:"), say("Set."), run("print(x + 1)"), say("42."))
    report = await converse(url, "Remember 41.", "One more?", stream=stream)
    assert [turn["text"] for turn in report["turns"]] == ["First:Set.", "42."]
    references = [item for item in report["requests"][1]["input"] if item.get("type") == "item_reference"]
    assert [item["id"].partition("_")[0] for item in references] == ["msg", "ci", "msg"]
    before, after = model.requests[1].body["messages"], model.requests[2].body["messages"]
    assert after[: len(before)] == before
    assert told(model.requests[-1].body) == ["[no output]", "42"]


async def test_without_the_store_the_text_alone_is_sent_again(url: str, model: ScriptedModel) -> None:
    model.script(run("x = 41", text="First:"), say("Set."), run("'x' in dir()"), say("Gone."))
    report = await converse(url, "Remember 41.", "Is it there?", store=False)
    assert [turn["text"] for turn in report["turns"]] == ["First:Set.", "Gone."]
    assert [request["store"] for request in report["requests"]] == [False, False]
    assert [message["content"] for message in model.requests[2].body["messages"]] == [
        "Remember 41.",
        "First:",
        "Set.",
        "Is it there?",
    ]
    # Nothing that was sent says where the code ran.
    assert told(model.requests[-1].body) == ["False"]


async def test_without_the_store_a_container_of_the_clients_own_stays(
    url: str, client: OpenAI, model: ScriptedModel
) -> None:
    container = client.containers.create(name="mine").id
    model.script(run("x = 41"), say("Set."), run("print(x + 1)"), say("42."))
    await converse(url, "Remember 41.", "One more?", store=False, container=container)
    assert told(model.requests[-1].body) == ["42"]


@BOTH
@pytest.mark.shows("functions")
async def test_a_tool_that_the_client_runs_itself(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(
        call(("python", {"code": "x = 20"}), ("weather", {"city": "Ulm"})),
        run("print(x + 1)"),
        say("21 degrees."),
    )
    report = await converse(url, "How warm is it?", stream=stream, weather=True)
    [turn] = report["turns"]
    assert (turn.get("error"), report["executed"]) == (None, ["Ulm"])
    first, last = turn["steps"]
    # In a stream the client's own call is whole before the code has run.
    assert {made["toolName"]: bool(made.get("providerExecuted")) for made in first["tool_calls"]} == {
        "python": True,
        "weather": False,
    }
    assert (first["finish_reason"], last["text"]) == ("tool-calls", "21 degrees.")
    assert sorted(told(model.requests[-1].body)) == ["21", "[no output]", '{"city":"Ulm","degrees":21}']


@BOTH
@pytest.mark.shows("errors")
async def test_what_is_refused_says_why(url: str, model: ScriptedModel, stream: bool) -> None:
    report = await converse(url, "How much is it?", stream=stream, container="cntr_none")
    [turn] = report["turns"]
    assert turn["error"]["status"] == 404
    assert turn["error"]["message"].startswith("there is no container 'cntr_none'")
    assert model.requests == []


@pytest.mark.shows("leaving")
async def test_who_leaves_ends_turn_and_upstream(url: str, model: ScriptedModel) -> None:
    model.script(run("print(1)"), hang(say("It is 42 indeed."), after=3))
    [turn] = (await converse(url, "How much is it?", stream=True, leave_at="text-delta"))["turns"]
    assert turn["parts"][-1]["type"] == "abort"
    await model.wait_closed(1)


@pytest.mark.shows("files in")
async def test_a_file_of_the_clients_is_where_code_runs(url: str, model: ScriptedModel) -> None:
    model.script(run("print(open('a.csv').read() * 2)"), say("Done."))
    file = {"type": "file", "filename": "a.csv", "mediaType": "text/csv", "data": "MSwyCg=="}
    prompt = [{"type": "text", "text": "Double it."}, file]
    report = await converse(url, prompt, options={"passThroughUnsupportedFiles": True})
    assert (report["turns"][0]["text"], told(model.requests[-1].body)) == ("Done.", ["1,2\n1,2"])


@usual_major
@pytest.mark.shows("upload")
async def test_a_file_that_was_uploaded_is_as_well(url: str, model: ScriptedModel) -> None:
    model.script(run("print(open('a.csv').read() * 2)"), say("Done."))
    file = {"filename": "a.csv", "mediaType": "text/csv", "data": {"type": "text", "text": "1,2\n"}}
    report = await converse(url, "Double it.", script="files", file=file)
    assert (report["turns"][0]["text"], told(model.requests[-1].body)) == ("Done.", ["1,2\n1,2"])


@BOTH
@pytest.mark.shows("images")
async def test_figures_are_outputs_of_their_code(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(run(SHOW), say("There."))
    [turn] = (await converse(url, "Draw it.", stream=stream))["turns"]
    [result] = turn["steps"][0]["tool_results"]
    assert result["output"]["outputs"] == [{"type": "image", "url": f"data:image/png;base64,{PNG}"}]
