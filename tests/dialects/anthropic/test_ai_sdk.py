"""The AI SDK on Node with its provider for Anthropic, which knows one tool for Python, bash and the editor."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

from tests.support import majors
from tests.support.majors import usual_major
from tests.support.model import Json, ScriptedModel, call, fail, hang, reason, say
from tests.support.node import needs_node, run_script
from tests.support.responses import run, told

pytestmark = [needs_node, pytest.mark.client("@ai-sdk/anthropic")]

LATEST = "codeExecution_20260120"
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["generate", "stream"])
STEPS = (run("print(6 * 7)", text="Let me see."), say("It is 42."))


async def converse(url: str, *prompts: str, script: str = "converse", **request: Any) -> Json:
    asked = {"base_url": f"{url}/v1", "api_key": "one", "model": "m", "provider": "anthropic", "tool": LATEST}
    return await run_script(script, prompts=list(prompts), **asked | request)


def content(turn: Json) -> list[Any]:
    """The parts of an answer of one step; a stream's has one more, of the provider's own."""
    assert turn.get("error") is None
    [step] = turn["steps"]
    assert step["warnings"] == []
    return [part for part in step["content"] if part["type"] != "custom"]


def outputs(turn: Json) -> list[Any]:
    """What came of its code."""
    return [part["output"] for part in content(turn) if part["type"] == "tool-result"]


def container_of(turn: Json) -> str:
    """Where its code ran, as the provider tells it."""
    return str(turn["provider_metadata"]["anthropic"]["container"]["id"])


@pytest.mark.parametrize("tool", ["codeExecution_20250522", "codeExecution_20250825", "codeExecution_20260120"])
@pytest.mark.shows("answer")
async def test_what_is_generated_has_its_code_in_it(url: str, model: ScriptedModel, tool: str) -> None:
    model.script(*STEPS)
    [turn] = (await converse(url, "How much is it?", tool=tool))["turns"]
    text, made, result, last = content(turn)
    assert (text["text"], last["text"]) == ("Let me see.", "It is 42.")
    kind = {} if tool.endswith("20250522") else {"type": "programmatic-tool-call"}
    assert made == {
        "type": "tool-call",
        "toolCallId": made["toolCallId"],
        "toolName": "code_execution",
        "input": {**kind, "code": "print(6 * 7)"},
        "providerExecuted": True,
    }
    output = {"type": "code_execution_result", "stdout": "42\n", "stderr": "", "return_code": 0, "content": []}
    assert result == {**made, "type": "tool-result", "output": output}
    assert (turn["finish_reason"], turn["usage"]["totalTokens"]) == ("stop", 30)


@pytest.mark.shows("stream")
async def test_what_is_streamed_comes_in_parts(url: str, model: ScriptedModel) -> None:
    model.script(*STEPS)
    [turn] = (await converse(url, "How much is it?", stream=True))["turns"]
    assert [part["type"] for part in content(turn)] == ["text", "tool-call", "tool-result", "text"]
    kinds = [part["type"] for part in turn["parts"]]
    assert [kind for place, kind in enumerate(kinds) if kinds[place - 1] != kind] == [
        *("start", "start-step", *(() if majors.OTHERS else ("custom",))),
        *("text-start", "text-delta", "text-end"),
        *("tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "tool-result"),
        *("text-start", "text-delta", "text-end"),
        *("finish-step", "finish"),
    ]
    written = "".join(part["delta"] for part in turn["parts"] if part["type"] == "tool-input-delta")
    assert json.loads(written)["code"] == "print(6 * 7)"
    assert (turn["finish_reason"], turn["usage"]["totalTokens"]) == ("stop", 30)


@pytest.mark.parametrize(("version", "stream"), [("20250825", False), ("20260120", True)])
async def test_bash_and_the_editor_are_the_same_tool(
    url: str, model: ScriptedModel, version: str, stream: bool
) -> None:
    path = {"path": "/mnt/data/a.txt"}
    model.script(
        call(("bash", {"command": "echo out; echo err >&2; exit 3"})),
        call(("edit", {"command": "create", **path, "file_text": "one\ntwo\n"})),
        call(("edit", {"command": "str_replace", **path, "old_str": "two", "new_str": "three"})),
        call(("edit", {"command": "view", **path})),
        call(("edit", {"command": "view", "path": "/mnt/data/nothing"})),
        say("Done."),
        say("Indeed."),
    )
    report = await converse(url, "Write.", "Is it done?", tool=f"codeExecution_{version}", stream=stream)
    first, second = report["turns"]
    made = [part["input"] for part in content(first) if part["type"] == "tool-call"]
    editor = {"type": "text_editor_code_execution", **path}
    assert made[0] == {"type": "bash_code_execution", "command": "echo out; echo err >&2; exit 3"}
    assert made[2] == {**editor, "command": "str_replace", "old_str": "two", "new_str": "three"}
    ran, created, replaced, viewed, missing = outputs(first)
    assert (ran["stdout"], ran["stderr"], ran["return_code"]) == ("out\n", "err\n", 3)
    assert created["is_file_update"] is False
    assert replaced["lines"] == ["-two", "+three"]
    assert (viewed["content"], viewed["total_lines"]) == ("one\nthree", 2)
    assert missing["error_code"] == "file_not_found"
    assert second["text"] == "Indeed."
    body = model.requests[-1].body
    calls = [made["function"]["name"] for said in body["messages"] for made in said.get("tool_calls", [])]
    assert calls == ["bash", "edit", "edit", "edit", "edit"]
    assert told(body) == ["out\nerr", "[created]", "-two\n+three", "one\nthree", "[file_not_found]"]


@BOTH
@pytest.mark.shows("state")
async def test_a_second_turn_finds_the_container_by_ids_alone(url: str, model: ScriptedModel, stream: bool) -> None:
    model.script(run("x = 41", text="First:"), say("Set."), run("print(x + 1)"), say("42."))
    report = await converse(url, "Remember 41.", "One more?", stream=stream)
    first, second = report["turns"]
    assert [turn["text"] for turn in report["turns"]] == ["First:Set.", "42."]
    assert "container" not in report["requests"][1]
    assert container_of(first) == container_of(second)
    before, after = model.requests[1].body["messages"], model.requests[2].body["messages"]
    assert after[: len(before)] == before
    assert told(model.requests[-1].body) == ["[no output]", "42"]


@usual_major
@pytest.mark.shows("files in", "files out", "images", "upload")
async def test_files_go_where_code_runs_and_come_from_there(url: str, model: ScriptedModel) -> None:
    draw = "import matplotlib.pyplot as p\np.plot([1])\np.show()\n"
    model.script(run(draw + "n = open('b.csv', 'w').write(open('a.csv').read() * 2)"), say("Done."))
    file = {"filename": "a.csv", "mediaType": "text/csv", "data": {"type": "text", "text": "1,2\n"}}
    report = await converse(url, "Draw it, and double it.", script="files", file=file)
    assert [output["return_code"] for output in outputs(report["turns"][0])] == [0]
    made = report["downloaded"]
    assert b64decode(made.pop("b.csv")["base64"]) == b"1,2\n1,2\n"
    [figure] = made.values()
    assert figure["mediaType"] == "image/png"
    assert b64decode(figure["base64"]).startswith(b"\x89PNG")


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
    assert {made["toolName"]: bool(made.get("providerExecuted")) for made in first["tool_calls"]} == {
        "code_execution": True,
        "weather": False,
    }
    assert (first["finish_reason"], last["text"]) == ("tool-calls", "21 degrees.")
    assert sorted(told(model.requests[-1].body)) == ["21", "[no output]", '{"city":"Ulm","degrees":21}']


@pytest.mark.parametrize(("version", "stream"), [("20250825", False), ("20260120", True)])
@pytest.mark.shows("code calls")
async def test_code_calls_a_tool_of_the_client(url: str, model: ScriptedModel, version: str, stream: bool) -> None:
    code = "first = tools.weather(city='Ulm')\nprint(first['degrees'] + tools.weather(city='Bonn')['degrees'])"
    model.script(run(code), say("42."), run("print(first['city'])"), say("Ulm."))
    asked: Json = {"stream": stream, "weather": True, "callers": [f"code_execution_{version}"]}
    report = await converse(url, "How warm is it?", "Where first?", tool=f"codeExecution_{version}", **asked)
    first, second = report["turns"]
    assert (first.get("error"), report["executed"]) == (None, ["Ulm", "Bonn"])
    [began, *_, ended] = [[part for part in step["content"] if part["type"] != "custom"] for step in first["steps"]]
    use, called, _ = began
    caller = {"type": f"code_execution_{version}", "toolId": use["toolCallId"]}
    assert called["providerMetadata"]["anthropic"]["caller"] == caller
    result, text = ended
    assert (result["toolCallId"], result["output"]["stdout"]) == (use["toolCallId"], "42\n")
    assert (text["text"], second["text"]) == ("42.", "Ulm.")
    assert told(model.requests[-1].body) == ["42", "Ulm"]
    assert all("container" not in request for request in report["requests"])


async def test_the_container_of_the_last_step_can_be_named(url: str, model: ScriptedModel) -> None:
    model.script(run("print(tools.weather(city='Ulm')['degrees'])"), say("21."))
    asked: Json = {"weather": True, "callers": ["code_execution_20260120"], "forward": True}
    report = await converse(url, "How warm is it?", **asked)
    [turn] = report["turns"]
    assert (turn["text"], report["executed"]) == ("21.", ["Ulm"])
    assert [request.get("container") for request in report["requests"]] == [None, container_of(turn)]


async def test_code_and_the_model_call_a_tool_at_once(url: str, model: ScriptedModel) -> None:
    model.script(
        call(
            ("python", {"code": "print(tools.weather(city='Ulm')['degrees'])"}),
            ("weather", {"city": "Bonn"}),
            ("python", {"code": "x = 1"}),
        ),
        say("Done."),
        run("print(x)"),
        say("1."),
    )
    asked: Json = {"stream": True, "weather": True, "callers": ["direct", "code_execution_20260120"]}
    report = await converse(url, "How warm is it?", "And x?", **asked)
    assert [(turn.get("error"), turn["text"]) for turn in report["turns"]] == [(None, "Done."), (None, "1.")]
    assert sorted(report["executed"]) == ["Bonn", "Ulm"]
    assert told(model.requests[-1].body) == ["21", "[no output]", '{"city":"Bonn","degrees":21}', "1"]


async def test_thoughts_are_parts_of_their_own_and_not_told_again(url: str, model: ScriptedModel) -> None:
    model.script(reason("Hm, hm.", say("42.")), say("Yes."))
    report = await converse(url, "How much is it?", "Sure?", stream=True)
    thought, text = content(report["turns"][0])
    assert (thought["type"], thought["text"], text["text"]) == ("reasoning", "Hm, hm.", "42.")
    again = report["requests"][1]["messages"][1]["content"]
    assert again[0] == {"type": "thinking", "thinking": "Hm, hm.", "signature": "insitu"}
    assert model.requests[1].body["messages"][1] == {"role": "assistant", "content": "42."}


async def test_code_that_cannot_be_read_is_an_error_of_the_tool(url: str, model: ScriptedModel) -> None:
    model.script(call(("python", "{nonsense")), say("Sorry."), say("Never mind."))
    first, second = (await converse(url, "How much is it?", "Well?", stream=True))["turns"]
    [failed] = [part for part in content(first) if part["type"] == "tool-error"]
    assert failed["error"] == {"type": "code_execution_tool_result_error", "errorCode": "invalid_tool_input"}
    assert second["text"] == "Never mind."
    assert told(model.requests[-1].body) == ["[invalid_tool_input]"]


@BOTH
@pytest.mark.shows("errors")
async def test_what_is_refused_says_why(url: str, model: ScriptedModel, stream: bool) -> None:
    options = {"container": {"id": "cntr_none"}}
    [turn] = (await converse(url, "How much is it?", stream=stream, options=options))["turns"]
    assert turn["error"]["status"] == 404
    assert turn["error"]["message"].startswith("there is no container 'cntr_none'")
    assert model.requests == []


async def test_a_model_server_that_fails_once_code_has_run(url: str, model: ScriptedModel) -> None:
    model.script(run("1"), fail(400))
    [turn] = (await converse(url, "How much is it?"))["turns"]
    assert turn["error"]["status"] == 424
    assert json.loads(turn["error"]["body"])["error"]["type"] == "api_error"
    assert len(model.requests) == 2


async def test_a_stream_that_fails_keeps_what_there_was(url: str, model: ScriptedModel) -> None:
    model.script(run("print(1)"), fail(400))
    [turn] = (await converse(url, "How much is it?", stream=True))["turns"]
    assert "The scripted model fails with 400." in turn["error"]["message"]
    [result] = [part for part in turn["parts"] if part["type"] == "tool-result"]
    assert result["output"]["stdout"] == "1\n"


@pytest.mark.shows("leaving")
async def test_who_leaves_ends_turn_and_upstream(url: str, model: ScriptedModel) -> None:
    model.script(run("print(1)"), hang(say("It is 42 indeed."), after=3))
    [turn] = (await converse(url, "How much is it?", stream=True, leave_at="text-delta"))["turns"]
    assert [part["type"] for part in turn["parts"]][-1] == "abort"
    await model.wait_closed(1)
