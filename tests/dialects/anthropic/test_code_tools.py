"""The tools of code execution: Python, bash and the editor, and what can go wrong in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from anthropic import Anthropic

from tests.support.messages import (
    QUESTION,
    ask,
    kinds,
    result,
    results,
    results_by_use,
    text,
    uses,
)
from tests.support.model import ScriptedModel, call, say
from tests.support.responses import run, told

pytestmark = pytest.mark.client("anthropic")
VERSIONS = ["code_execution_20250522", "code_execution_20250825", "code_execution_20260120", "code_execution_20260521"]


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_of_the_tool_runs_python(anthropic_client: Anthropic, model: ScriptedModel, version: str) -> None:
    model.script(run("6 * 7"), say("42."))
    message = ask(anthropic_client, tools=[{"type": version, "name": "code_execution"}])
    assert result(message).stdout == "42"
    offered = [tool["function"]["name"] for tool in model.requests[0].body["tools"]]
    assert offered == (["python"] if version.endswith("20250522") else ["python", "bash", "edit"])


@pytest.mark.shows("files out", "images")
def test_files_that_code_makes_can_be_downloaded(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    code = "import matplotlib.pyplot as p\np.plot([1])\np.show()\nn = open('a.csv', 'w').write('1,2')"
    model.script(run(code), say("Done."))
    made = result(ask(anthropic_client)).content
    assert {output.type for output in made} == {"code_execution_output"}
    contents = {}
    for output in made:
        name = anthropic_client.files.retrieve_metadata(output.file_id).filename
        contents[name.rpartition(".")[2]] = anthropic_client.files.download(output.file_id).read()
    assert contents["csv"] == b"1,2"
    assert contents["png"].startswith(b"\x89PNG")


def test_an_exception_is_a_result_that_says_so(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(run("print('so far')\n1/0"), say("No."))
    failed = result(ask(anthropic_client))
    assert (failed.type, failed.return_code, failed.stdout) == ("code_execution_result", 1, "so far\n")
    assert failed.stderr.endswith("ZeroDivisionError: division by zero")


def test_code_that_takes_too_long_is_an_error(
    connect_anthropic: Callable[..., Anthropic], model: ScriptedModel, serve: Callable[..., str]
) -> None:
    model.script(run("print('so far')\nwhile True: pass"), say("No."))
    failed = result(ask(connect_anthropic(serve(timeout_s=1)))).to_dict()
    assert (failed["type"], failed["error_code"]) == ("code_execution_tool_result_error", "execution_time_exceeded")
    assert failed["insitu"]["message"].startswith("so far\n")


def test_a_call_that_is_none_is_an_error(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(call(("python", {"kode": "1"}), ("bash", "{no")), say("No."))
    message = ask(anthropic_client)
    assert [use.input for use in uses(message)] == [{}, {}]
    assert [each.to_dict()["error_code"] for each in results(message)] == ["invalid_tool_input"] * 2
    assert [each.type for each in results(message)] == [
        "code_execution_tool_result_error",
        "bash_code_execution_tool_result_error",
    ]


def test_bash_has_blocks_of_its_own(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    model.script(call(("bash", {"command": "echo out; echo err >&2; echo 1 > a.txt; exit 3"})), say("Done."))
    message = ask(anthropic_client)
    assert kinds(message) == ["server_tool_use", "bash_code_execution_tool_result", "text"]
    [use] = uses(message)
    assert (use.name, list(use.input)) == ("bash_code_execution", ["command"])
    found = result(message)
    assert (found.type, found.stdout, found.stderr, found.return_code) == (
        "bash_code_execution_result",
        "out\n",
        "err\n",
        3,
    )
    [output] = found.content
    assert output.type == "bash_code_execution_output"
    assert anthropic_client.files.download(output.file_id).read() == b"1\n"


def test_the_editor_creates_shows_and_changes_files(anthropic_client: Anthropic, model: ScriptedModel) -> None:
    path = {"path": "/mnt/data/a.txt"}
    model.script(
        call(("edit", {"command": "create", **path, "file_text": "one\ntwo\n"})),
        call(("edit", {"command": "str_replace", **path, "old_str": "two", "new_str": "three"})),
        call(("edit", {"command": "view", **path, "view_range": [2, 2]})),
        call(("edit", {"command": "view", "path": "/mnt/data/nothing"})),
        say("Done."),
    )
    message = ask(anthropic_client)
    assert {use.name for use in uses(message)} == {"text_editor_code_execution"}
    assert [use.input for use in uses(message)][1] == {
        "command": "str_replace",
        **path,
        "old_str": "two",
        "new_str": "three",
    }
    created, replaced, viewed, missing = [each.to_dict() for each in results(message)]
    kind = "text_editor_code_execution"
    assert created == {"type": f"{kind}_create_result", "is_file_update": False}
    assert replaced == {
        "type": f"{kind}_str_replace_result",
        "lines": ["-two", "+three"],
        "old_start": 2,
        "old_lines": 1,
        "new_start": 2,
        "new_lines": 1,
    }
    assert viewed == {
        "type": f"{kind}_view_result",
        "file_type": "text",
        "content": "three",
        "num_lines": 1,
        "start_line": 2,
        "total_lines": 2,
    }
    assert (missing["type"], missing["error_code"]) == (f"{kind}_tool_result_error", "file_not_found")
    assert "nothing" in missing["error_message"]


def test_several_calls_at_once_have_their_results_behind_them(
    anthropic_client: Anthropic, model: ScriptedModel
) -> None:
    model.script(run("print(1)", "print(2)"), say("Done."))
    message = ask(anthropic_client)
    assert kinds(message) == [
        "server_tool_use",
        "server_tool_use",
        "code_execution_tool_result",
        "code_execution_tool_result",
        "text",
    ]
    assert [results_by_use(message)[use.id].stdout for use in uses(message)] == ["1\n", "2\n"]


def test_code_that_the_time_of_a_turn_ends_has_a_result_all_the_same(
    connect_anthropic: Callable[..., Anthropic], model: ScriptedModel, serve: Callable[..., str]
) -> None:
    model.script(run("while True: pass"), say("Sorry."))
    client = connect_anthropic(serve(turn_timeout_s=1))
    first = ask(client)
    assert (first.stop_reason, result(first).error_code) == ("pause_turn", "execution_time_exceeded")
    assert text(ask(client, messages=[QUESTION, {"role": "assistant", "content": first.content}])) == "Sorry."
    assert told(model.requests[1].body) == ["the turn ended before it did"]


def test_a_model_that_calls_no_tools_writes_blocks_of_python(
    connect_anthropic: Callable[..., Anthropic], model: ScriptedModel, serve: Callable[..., str]
) -> None:
    model.script(say("Let me see.\n```python\nprint(6 * 7)\n```\n"), say("42."))
    message = ask(connect_anthropic(serve(fenced_models=("m",))))
    assert kinds(message) == ["text", "server_tool_use", "code_execution_tool_result", "text"]
    assert (uses(message)[0].input, result(message).stdout) == ({"code": "print(6 * 7)\n"}, "42\n")
    assert "tools" not in model.requests[0].body
