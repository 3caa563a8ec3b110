"""The shell tool: commands in the sandbox, with their output live, apart and with an exit code each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from openai.types.responses import Response

from tests.support.model import ScriptedModel, call, say
from tests.support.responses import PYTHON, SHELL, ask, cited, kinds, logs, of_type, order, run, stream, streaming, told
from tests.support.steps import Step

BOTH = [PYTHON, SHELL]


def sh(*commands: str, **others: Any) -> Step:
    return call(("shell", {"commands": list(commands), **others}))


def shell(client: OpenAI, **asked: Any) -> Response:
    return ask(client, **{"tools": [SHELL], **asked})


def outputs(response: Response) -> list[list[Any]]:
    """What came of each shell call: stdout, stderr and outcome of each command."""
    items = [item for item in response.output if item.type == "shell_call_output"]
    return [[(out.stdout, out.stderr, out.outcome.to_dict()) for out in item.output] for item in items]


def ok(stdout: str = "", stderr: str = "", exit_code: int = 0) -> tuple[str, str, dict[str, Any]]:
    return stdout, stderr, {"type": "exit", "exit_code": exit_code}


def texts(events: Sequence[Any], stream: str, index: int = 0) -> str:
    """What came live on a stream of a command."""
    live = of_type(events, "shell_call_output_content.delta")
    return "".join(getattr(event.delta, stream, None) or "" for event in live if event.command_index == index)


def test_the_events_of_a_command(client: OpenAI, model: ScriptedModel) -> None:
    model.script(sh("echo out; echo err >&2; exit 3"), say("It exits with 3."))
    events = stream(client, tools=[SHELL])
    assert order(events) == [
        ("created",),
        ("in_progress",),
        ("output_item.added", 0, "shell_call"),
        ("shell_call_command.added", 0),
        ("shell_call_command.delta", 0),
        ("shell_call_command.done", 0),
        ("output_item.done", 0, "shell_call"),
        ("output_item.added", 1, "shell_call_output"),
        ("shell_call_output_content.delta", 1),
        ("shell_call_output_content.done", 1),
        ("output_item.done", 1, "shell_call_output"),
        ("output_item.added", 2, "message"),
        ("content_part.added", 2),
        ("output_text.delta", 2),
        ("output_text.done", 2),
        ("content_part.done", 2),
        ("output_item.done", 2, "message"),
        ("completed",),
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    made, output, _ = events[-1].response.output
    assert made.action.to_dict() == {
        "commands": ["echo out; echo err >&2; exit 3"],
        "max_output_length": None,
        "timeout_ms": None,
    }
    assert (made.status, output.status, output.call_id) == ("completed", "completed", made.call_id)
    assert made.environment.type == "container_reference" and made.environment.container_id.startswith("cntr_")
    assert outputs(events[-1].response) == [[ok("out\n", "err\n", 3)]]
    assert (texts(events, "stdout"), texts(events, "stderr")) == ("out\n", "err\n")
    assert told(model.requests[1].body) == ["out\nerr\n[exit code 3]"]


def test_the_clients_helper_puts_the_stream_together(client: OpenAI, model: ScriptedModel) -> None:
    model.script(sh("echo 1", "echo 2"), say("Both."))
    asked: dict[str, Any] = {"model": "m", "input": "Run.", "tools": [SHELL]}
    with client.responses.stream(**asked) as events:
        list(events)
        response = events.get_final_response()
    assert [item.type for item in response.output] == ["shell_call", "shell_call_output", "message"]


def test_output_is_there_while_the_command_runs(client: OpenAI, model: ScriptedModel) -> None:
    model.script(sh("echo begun; until [ -e go ]; do read -t 0.01 < /dev/zero; done; echo ended"), say("Done."))
    events: list[Any] = []
    with streaming(client, tools=[SHELL]) as coming:
        for event in coming:
            events.append(event)
            if event.type == "response.shell_call_output_content.delta" and event.delta.stdout == "begun\n":
                # Until this file is there the command does not end.
                client.containers.files.create(events[2].item.environment.container_id, file=("go", b""))
    assert outputs(events[-1].response) == [[ok("begun\nended\n")]]
    assert texts(events, "stdout") == "begun\nended\n"


def test_commands_run_side_by_side(client: OpenAI, model: ScriptedModel) -> None:
    # Each waits for the other.
    model.script(
        sh("mkfifo a b; echo 1 > a; cat b", "until [ -p b ]; do :; done; cat a; echo 2 > b", "false", ""), say("Done.")
    )
    events = stream(client, tools=[SHELL])
    assert outputs(events[-1].response) == [[ok("2\n"), ok("1\n"), ok(exit_code=1), ok()]]
    for kind in ("command.added", "command.done", "output_content.done"):
        assert [event.command_index for event in of_type(events, f"shell_call_{kind}")] == [0, 1, 2, 3]
    assert [texts(events, "stdout", index) for index in range(4)] == ["2\n", "1\n", "", ""]
    commands = [event.command for event in of_type(events, "shell_call_command.done")]
    assert commands == events[-1].response.output[0].action.commands
    assert told(model.requests[1].body)[0].startswith(
        "2\n[exit code 0]\n1\n[exit code 0]\n[exit code 1]\n[exit code 0]"
    )


def test_a_command_that_takes_too_long(client: OpenAI, model: ScriptedModel) -> None:
    model.script(sh("echo begun; sleep 60", timeout_ms=300), say("Too long."))
    response = shell(client)
    assert outputs(response) == [[("begun\n", "", {"type": "timeout"})]]
    assert told(model.requests[1].body) == ["begun\n[timed out]"]
    [made] = [item for item in response.output if item.type == "shell_call"]
    assert made.action.timeout_ms == 300


def test_output_is_as_long_as_the_model_wants_it(client: OpenAI, model: ScriptedModel) -> None:
    model.script(sh("seq 1000", max_output_length=200), say("Long."))
    response = shell(client)
    assert outputs(response)[0][0][0].endswith("\n999\n1000\n")
    said = told(model.requests[1].body)[0]
    assert said.startswith("1\n2\n3\n") and "characters left out" in said and len(said) < 300


def test_shell_and_python_share_their_container(client: OpenAI, model: ScriptedModel) -> None:
    model.script(
        call(("shell", {"commands": ["echo 41 > a.txt"]})),
        run("n = int(open('a.txt').read()) + 1\nopen('b.txt', 'w').write(str(n))"),
        sh("cat /mnt/data/b.txt"),
        say("[b](sandbox:/mnt/data/b.txt)"),
    )
    response = ask(client, tools=BOTH)
    assert kinds(response) == [
        "shell_call",
        "shell_call_output",
        "code_interpreter_call",
        "shell_call",
        "shell_call_output",
        "message",
    ]
    assert outputs(response) == [[ok()], [ok("42")]]
    # The file of the shell's is the answer's as much as that of Python.
    assert [(each["filename"], each["start_index"]) for each in cited(response)] == [("b.txt", 4), ("a.txt", 28)]


def test_the_next_response_finds_the_files_and_reads_the_calls_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(sh("echo 1 > a", "echo two"), say("Done."), sh("cat a"), say("1."))
    first = shell(client)
    second = shell(client, input="And?", previous_response_id=first.id)
    assert outputs(second) == [[ok("1\n")]]
    assert told(model.requests[2].body) == told(model.requests[1].body)
    assert model.requests[2].body["messages"][:3] == model.requests[1].body["messages"][:3]


def test_whole_items_can_be_sent_again(client: OpenAI, model: ScriptedModel) -> None:
    model.script(sh("echo 1 > a"), say("Done."), sh("cat a"), say("1."))
    first = shell(client)
    items = [item.model_dump(exclude_none=True) for item in first.output]
    second = shell(client, input=[*items, {"role": "user", "content": "And?"}])
    assert outputs(second) == [[ok("1\n")]]


def test_a_container_by_its_id(client: OpenAI, model: ScriptedModel) -> None:
    container = client.containers.create(name="mine")
    client.containers.files.create(container.id, file=("a.txt", b"1"))
    reference = {"type": "container_reference", "container_id": container.id}
    model.script(sh("cat a.txt"), say("1."))
    response = shell(client, tools=[{"type": "shell", "environment": reference}])
    assert outputs(response) == [[ok("1")]]
    assert response.tools[0].to_dict()["environment"] == reference


def test_arguments_that_hold_no_commands(client: OpenAI, model: ScriptedModel) -> None:
    wrong: list[Any] = ["{", {"commands": "ls"}, {"commands": []}, {"commands": [1]}]
    model.script(*(call(("shell", arguments)) for arguments in wrong), sh(*["true"] * 17), say("Never."))
    response = shell(client)
    assert kinds(response) == ["shell_call", "shell_call_output"] * 5 + ["message"]
    assert [item.status for item in response.output if item.type == "shell_call_output"] == ["incomplete"] * 5
    assert {out[0][2]["exit_code"] for out in outputs(response)} == {126}
    first, *others, last = told(model.requests[-1].body)
    assert first.startswith("[not run: the arguments are not valid JSON: ")
    assert {other.partition("\n")[0] for other in others} == {
        '[not run: the argument "commands" must be a list of at least one string]'
    }
    assert last == "[not run: 17 commands at once; 16 is the most: send several calls]"


def test_commands_are_bounded_like_any_call(client: OpenAI, model: ScriptedModel) -> None:
    model.script(sh("echo 1"), sh("echo 2"), say("One."))
    response = shell(client, max_tool_calls=1)
    assert kinds(response) == ["shell_call", "shell_call_output", "message"]


def test_there_are_no_commands_on_the_clients_own_machine(client: OpenAI, model: ScriptedModel) -> None:
    with pytest.raises(BadRequestError, match="commands run on the server") as caught:
        shell(client, tools=[{"type": "shell", "environment": {"type": "local"}}])
    assert (caught.value.param, model.requests) == ("tools[0].environment", [])


def test_python_alone_knows_no_shell(client: OpenAI, model: ScriptedModel) -> None:
    model.script(sh("ls"), say("Never mind."))
    response = ask(client)
    assert (kinds(response), told(model.requests[1].body)) == (
        ["message"],
        ["[not run: there is no tool 'shell'; there are: python]"],
    )
    assert logs(response) == []
