"""Bash and the editor beside Python, in one container, offered to a model by no dialect in particular."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import pytest

from insitu.output import streams_of
from insitu.turn import container, showing
from insitu.turn import events as on
from insitu.turn.editing import Created, Replaced, Viewed
from insitu.turn.request import TurnRequest
from insitu.turn.step import ModelCall
from insitu.turn.undertaken import Undertaken
from tests.support.model import Json, ScriptedModel, call, say
from tests.support.turns import Place

Event = TypeVar("Event", bound=on.TurnEvent)


async def turn(place: Place, *taken: str) -> list[on.TurnEvent]:
    """What happens in a turn with all three tools."""
    turns = place.service.turns
    box = turns.containers.new("")
    tools = [turns.python(box, taken), turns.bash(box, taken), turns.editor(box, taken)]
    heard: list[on.TurnEvent] = []
    await turns.run(TurnRequest("", "m", [{"role": "user", "content": "Go."}], tools), heard.append)
    return heard


def only(kind: type[Event], heard: list[on.TurnEvent]) -> list[Event]:
    return [event for event in heard if isinstance(event, kind)]


def edit(command: str, path: str = "a.txt", **arguments: Any) -> tuple[str, Json]:
    return "edit", {"command": command, "path": path, **arguments}


def told(model: ScriptedModel) -> list[str]:
    return [message["content"] for message in model.requests[-1].body["messages"] if message["role"] == "tool"]


async def test_bash_runs_one_command_and_its_text_is_told_while_it_is_written(
    place: Place, model: ScriptedModel
) -> None:
    model.script(call(("bash", {"command": "echo out; echo 'err' >&2; exit 3"})), say("Done."))
    heard = await turn(place)
    (begun,) = only(on.CallStarted, heard)
    assert begun.tool == "shell"
    deltas = only(on.CodeDelta, heard)
    assert ("".join(delta.text for delta in deltas), {delta.index for delta in deltas}) == (
        "echo out; echo 'err' >&2; exit 3",
        {0},
    )
    assert len(deltas) > 1
    (done,) = only(on.CallDone, heard)
    (execution,) = done.executions
    assert (streams_of(execution), execution.exit_code) == (("out\n", "err\n"), 3)
    assert told(model) == ["out\nerr\n[exit code 3]"]


async def test_the_editor_works_on_the_files_of_python_and_bash(place: Place, model: ScriptedModel) -> None:
    model.script(
        call(edit("create", file_text="one\ntwo\n")),
        call(("bash", {"command": "echo three >> a.txt"})),
        call(edit("str_replace", old_str="two", new_str="2")),
        call(("python", {"code": "print(open('a.txt').read())"})),
        call(edit("view")),
        say("Done."),
    )
    heard = await turn(place)
    made, _, changed, _, viewed = only(on.CallDone, heard)
    assert isinstance(made.edit, Created)
    assert isinstance(changed.edit, Replaced)
    assert isinstance(viewed.edit, Viewed)
    assert viewed.edit.content == "one\n2\nthree"
    assert told(model) == [
        "[created]",
        "[exit code 0]\n[files written: /mnt/data/a.txt (14 bytes)]",
        "-two\n+2",
        "one\n2\nthree",
        "     1\tone\n     2\t2\n     3\tthree",
    ]
    assert [event.tool for event in only(on.CallStarted, heard)] == ["editor", "shell", "editor", "python", "editor"]
    (file,) = made.files
    assert (file.path, file.id) == ("a.txt", changed.files[0].id)


async def test_edits_of_one_step_do_not_undo_each_other(place: Place, model: ScriptedModel) -> None:
    words = [f"w{n}." for n in range(8)]
    changes = [edit("str_replace", old_str=word, new_str=word.upper()) for word in words]
    model.script(call(edit("create", file_text=" ".join(words))), call(*changes), call(edit("view")), say("Done."))
    viewed = only(on.CallDone, await turn(place))[-1].edit
    assert isinstance(viewed, Viewed)
    assert viewed.content == " ".join(words).upper()


async def test_an_edit_that_cannot_be_has_a_code_and_the_model_is_told_why(place: Place, model: ScriptedModel) -> None:
    model.script(call(edit("view", "none")), call(edit("insert")), call(("edit", "{")), say("Done."))
    done = only(on.CallDone, await turn(place))
    codes = ["file_not_found", "invalid_tool_input", "invalid_arguments"]
    assert ([each.failure_code for each in done], [each.edit for each in done]) == (codes, [None] * 3)
    assert [f"[{each.failure}]" for each in done[:2]] == told(model)[:2]
    assert told(model)[2].startswith("[not run: the arguments are not valid JSON")


async def test_a_failure_has_the_code_of_its_error(
    place: Place, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_MOST_LIVING", 0)
    model.script(call(("bash", {}), ("bash", {"command": "ls"}), edit("view")), say("Done."))
    missing, *refused = only(on.CallDone, await turn(place))
    assert missing.failure == 'the argument "command" is missing; send {"command": "…"} with the command to run'
    assert missing.failure_code == "invalid_arguments"
    assert [done.failure_code for done in refused] == ["quota_exceeded"] * 2


async def test_what_clients_are_shown_of_edits_has_a_bound(
    place: Place, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "_OUTPUT_CHARS", 150)
    model.script(
        call(edit("create", file_text="x" * 100)),
        call(edit("view")),
        call(edit("view")),
        call(edit("str_replace", old_str="x" * 100, new_str="y")),
        say("Done."),
    )
    first, second, third = [done.edit for done in only(on.CallDone, await turn(place))][1:]
    assert isinstance(first, Viewed)
    assert isinstance(second, Viewed)
    assert isinstance(third, Replaced)
    assert (first.content, second.content) == ("x" * 100, showing.NO_MORE)
    assert third.lines == [showing.NO_MORE]
    assert told(model)[2:] == [f"     1\t{'x' * 100}", f"-{'x' * 100}\n+y"]


async def test_tools_take_other_names_where_the_client_has_theirs(place: Place, model: ScriptedModel) -> None:
    model.script(say("Done."))
    await turn(place, "bash", "edit", "insitu_edit")
    names = [tool["function"]["name"] for tool in model.requests[-1].body["tools"]]
    assert names == ["python", "insitu_bash", "insitu_insitu_edit"]


async def test_a_shell_call_that_goes_on_is_told_command_by_command(place: Place) -> None:
    turns = place.service.turns
    tool = turns.shell(turns.containers.new(""), ())
    arguments = {"commands": ["ls", "pwd"]}
    gone_on = Undertaken(ModelCall("c", "shell", json.dumps(arguments), tool), arguments=arguments)
    assert only(on.CodeDelta, list(gone_on.beginning())) == [on.CodeDelta("c", "ls", 0), on.CodeDelta("c", "pwd", 1)]


async def test_models_that_call_no_tools_are_known(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = place.service.turns
    monkeypatch.setattr(turns, "settings", turns.settings.model_copy(update={"fenced_models": ("fenced-*",)}))
    assert (turns.is_fenced("fenced-1"), turns.is_fenced("m")) == (True, False)
