"""Calls of the tools that run here, as items of a response: Python is one item, the shell two."""

from __future__ import annotations

from typing import Any

from ....output import output_of
from ....turn import events as on
from ....turn.arguments import whole_number
from ....types import Execution
from ....web.shapes import Json, tool_called
from .outputs import Output, Outputs

CallEvent = on.CodeDelta | on.CallPaused | on.CallEvent
_WISHES = ("max_output_length", "timeout_ms")


class CodeCall:
    """A call of Python."""

    def __init__(self, outputs: Outputs, event: on.CallStarted) -> None:
        body = {"type": "code_interpreter_call", "code": "", "container_id": event.container_id, "outputs": []}
        self._outputs = outputs
        self._call = outputs.add(body, call_id=event.id)
        self._written = False
        self._tell("call.in_progress")

    def hear(self, event: CallEvent) -> None:
        """Take something that happened to it."""
        body = self._call.body
        match event:
            case on.CodeDelta():
                self._outputs.written.add(body, "code", event.text)
                self._tell("call_code.delta", delta=event.text)
            case on.CallWritten():
                body["code"] = event.arguments["code"]
                self._end_code()
            case on.CallRunning():
                self._outputs.runs_in(event.container_id)
                body["container_id"] = event.container_id
                self._tell("call.interpreting")
            case on.OutputDelta():
                self._outputs.at("insitu.output.delta", self._call, stream=event.stream, delta=event.text)
            case on.ToolCalled():
                self._outputs.at("insitu.tool_call", self._call, **tool_called(event))
            case on.CallPaused():
                # By this id it is known again if a client sends it back that had it stored nowhere.
                body["insitu"] = {"call_id": event.id}
                self._outputs.done(self._call, "in_progress")
            case on.CallDone():
                self._end(event)

    def _end_code(self) -> None:
        self._written = True
        self._tell("call_code.done", code=self._call.body["code"])

    def _end(self, event: on.CallDone) -> None:
        if not self._written:  # its arguments could not be read: this is what there is of them
            self._end_code()
        self._outputs.note(event, self._call)
        self._call.body["outputs"] = _outputs(event)
        if event.tools_called:
            self._call.body["insitu"] = {"tools_called": [tool_called(each) for each in event.tools_called]}
        if event.failure is None:
            self._tell("call.completed")
        self._outputs.done(self._call, "completed" if event.failure is None else "failed")

    def _tell(self, event: str, **fields: Any) -> None:
        self._outputs.at(f"response.code_interpreter_{event}", self._call, **fields)


class ShellCall:
    """A call of the shell: its commands, and then what came of them."""

    def __init__(self, outputs: Outputs, event: on.CallStarted) -> None:
        body: Json = {
            "type": "shell_call",
            "call_id": event.id,
            "action": {"commands": [], **dict.fromkeys(_WISHES)},
            "environment": {"type": "container_reference", "container_id": event.container_id},
        }
        self._outputs = outputs
        self._id = event.id
        self._call = outputs.add(body, call_id=event.id)
        self._output: Output | None = None

    def hear(self, event: CallEvent) -> None:
        """Take something that happened to it."""
        match event:
            case on.CodeDelta():
                self._add_commands(event.index + 1)
                self._outputs.written.add(self._call.body["action"]["commands"], event.index, event.text)
                self._tell("delta", event.index, delta=event.text)
            case on.CallWritten():
                self._end_commands(event)
            case on.CallRunning():
                self._outputs.runs_in(event.container_id)
                self._call.body["environment"]["container_id"] = event.container_id
                self._begin_output()
            case on.OutputDelta():
                self._tell_output("delta", event.index, delta={event.stream: event.text})
            case on.CallDone():
                self._end(event)

    def _add_commands(self, count: int) -> None:
        commands = self._call.body["action"]["commands"]
        # Of an empty command nothing is ever written.
        for index in range(len(commands), count):
            commands.append("")
            self._tell("added", index, command="")

    def _end_commands(self, event: on.CallWritten) -> None:
        commands = event.arguments["commands"]
        self._add_commands(len(commands))
        wishes = {name: whole_number(event.arguments.get(name)) for name in _WISHES}
        self._call.body["action"] = {"commands": commands, **wishes}
        for index, command in enumerate(commands):
            self._tell("done", index, command=command)
        self._outputs.done(self._call)

    def _begin_output(self) -> Output:
        if self._output is None:
            empty: Json = {"output": [], "max_output_length": None}
            body = {"type": "shell_call_output", "call_id": self._id, **empty}
            self._output = self._outputs.add(body, call_id=self._id)
        return self._output

    def _end(self, event: on.CallDone) -> None:
        if self._call.open:  # its arguments could not be read
            self._outputs.done(self._call, "incomplete")
        output = self._begin_output()
        self._outputs.note(event, output)
        chunks = [_chunk(execution) for execution in event.executions] or [_not_run(event)]
        output.body["output"] = chunks
        for index, chunk in enumerate(chunks):
            self._tell_output("done", index, output=[chunk])
        self._outputs.done(output, "completed" if event.failure is None else "incomplete")

    def _tell(self, event: str, index: int, **fields: Any) -> None:
        place = {"output_index": self._call.index, "command_index": index}
        self._outputs.event(f"response.shell_call_command.{event}", **place, **fields)

    def _tell_output(self, event: str, index: int, **fields: Any) -> None:
        name = f"response.shell_call_output_content.{event}"
        self._outputs.at(name, self._begin_output(), command_index=index, **fields)


def _outputs(event: on.CallDone) -> list[Json]:
    logs = "\n".join(filter(None, (output_of(execution) for execution in event.executions)))
    if event.failure is not None:
        logs = f"{logs}\n{event.told}".lstrip("\n")
    images = [{"type": "image", "url": f"data:image/png;base64,{png}"} for png in event.figures]
    return [*([{"type": "logs", "logs": logs}] if logs else []), *images]


def _chunk(execution: Execution) -> Json:
    timed_out = execution.outcome == "timeout"
    outcome = {"type": "timeout"} if timed_out else {"type": "exit", "exit_code": execution.exit_code}
    return {"stdout": execution.stdout, "stderr": execution.stderr, "outcome": outcome}


def _not_run(event: on.CallDone) -> Json:
    return {"stdout": "", "stderr": event.told, "outcome": {"type": "exit", "exit_code": 126}}
