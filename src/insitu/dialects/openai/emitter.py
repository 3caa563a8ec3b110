"""A turn as the events and items of a response, in the order that OpenAI sends them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...store import Item
from ...turn import events as on
from ...turn.arguments import whole_number
from ...turn.report import output_of
from ...types import Execution
from .items import new_item_id, shown

Send = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class _Output:
    """An item that is being made, and its place in the output."""

    item: Item
    index: int
    open: bool = True
    codes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Thoughts:
    """What the events of reasoning are called, and where its text is."""

    kind: str
    part: str
    field: str
    index: str


_REASONING = _Thoughts("reasoning_text", "reasoning_text", "content", "content_index")
# What many clients show of it; it is sent to those that ask for a summary, and is all of it.
_SUMMARY = _Thoughts("reasoning_summary_text", "summary_text", "summary", "summary_index")


class Emitter:
    """Hears what happens in a turn, and sends the response's events.

    Args:
        response: the response as it is without its output; status and usage are set here.
        include: what clients want to see of items besides.
        send: told of each event.
    """

    def __init__(self, response: dict[str, Any], owner: str, include: Sequence[str], send: Send) -> None:
        self.response = response
        self.files: dict[str, on.MadeFile] = {}
        self.containers: list[str] = []
        self._owner = owner
        self._include = include
        self._send = send
        self._outputs: list[_Output] = []
        self._text: _Output | None = None
        self._thought: _Output | None = None
        self._thoughts = _SUMMARY if response["reasoning"]["summary"] else _REASONING
        self._calls: dict[str, _Output] = {}
        self._shell_outputs: dict[str, _Output] = {}
        self._step = 0
        self._sequence = 0
        self._begun = False

    @property
    def begun(self) -> bool:
        """Whether anything was sent."""
        return self._begun

    @property
    def items(self) -> list[Item]:
        """The output so far."""
        return [output.item for output in self._outputs]

    @property
    def text(self) -> str | None:
        """The text of the message that is being written."""
        return None if self._text is None else str(self._text.item.body["content"][0]["text"])

    def snapshot(self, include: Sequence[str] | None = None) -> dict[str, Any]:
        """The response as it is now, with what was asked for at its creation or is asked for now."""
        wanted = self._include if include is None else include
        return {**self.response, "output": [shown(item, wanted) for item in self.items]}

    def begin(self, *, queued: bool = False) -> None:
        """Say that there is a response."""
        if self._begun:
            return
        self._begun = True
        self._event("response.created", response=self.snapshot())
        if queued:
            self._event("response.queued", response=self.snapshot())
            self.response["status"] = "in_progress"
        self._event("response.in_progress", response=self.snapshot())

    def hear(self, event: on.TurnEvent) -> None:
        """Take something that happened in the turn."""
        if isinstance(event, on.StepStarted):
            self._step = event.step
            self._end_thought()
            self.end_text([])
            return
        self.begin()
        match event:
            case on.TextDelta():
                self._end_thought()
                message = self._text = self._text or self._begin_text()
                message.item.body["content"][0]["text"] += event.text
                self._part("output_text.delta", message, delta=event.text, logprobs=[])
            case on.ReasoningDelta():
                thought = self._thought = self._thought or self._begin_thought()
                thought.item.body[self._thoughts.field][0]["text"] += event.text
                self._of_thought(f"{self._thoughts.kind}.delta", thought, delta=event.text)
            case _:
                self._end_thought()
                if isinstance(event, on.CallStarted | on.ClientCallStarted):
                    self.end_text([])
                self._call_event(event)

    def _call_event(self, event: on.TurnEvent) -> None:
        match event:
            case on.ClientCallStarted():
                self._calls[event.id] = self._add(
                    {"type": "function_call", "call_id": event.id, "name": event.name, "arguments": ""}
                )
            case on.ClientCallDelta():
                call = self._calls[event.id]
                call.item.body["arguments"] += event.text
                self._at("response.function_call_arguments.delta", call, delta=event.text)
            case on.ClientCallDone():
                call = self._calls[event.id]
                call.item.body["arguments"] = event.arguments
                named = {"arguments": event.arguments, "name": event.name}
                self._at("response.function_call_arguments.done", call, **named)
                self._done(call)
            case on.CallStarted(tool="shell"):
                self._begin_shell(event)
            case on.CallStarted():
                self._begin_code(event)
            case _:
                self._running_call(event)

    def _running_call(self, event: on.TurnEvent) -> None:
        # By the kind of the call's item, which is what its events are named after.
        assert not isinstance(event, on.StepStarted | on.TextDelta | on.ReasoningDelta)
        call = self._calls[event.id]
        if call.item.body["type"] == "shell_call":
            self._shell_event(event, call)
        else:
            self._code_event(event, call)

    def _begin_code(self, event: on.CallStarted) -> None:
        body = {"type": "code_interpreter_call", "code": "", "container_id": event.container_id, "outputs": []}
        call = self._calls[event.id] = self._add(body, call_id=event.id)
        self._at("response.code_interpreter_call.in_progress", call)

    def _code_event(self, event: on.TurnEvent, call: _Output) -> None:
        body = call.item.body
        match event:
            case on.CodeDelta():
                body["code"] += event.text
                self._at("response.code_interpreter_call_code.delta", call, delta=event.text)
            case on.CallWritten():
                body["code"] = event.arguments["code"]
                self._at("response.code_interpreter_call_code.done", call, code=body["code"])
                call.codes.append(body["code"])
            case on.CallRunning():
                self._runs_in(event.container_id)
                body["container_id"] = event.container_id
                self._at("response.code_interpreter_call.interpreting", call)
            case on.OutputDelta():
                self._at("insitu.output.delta", call, stream=event.stream, delta=event.text)
            case on.CallDone():
                if not call.codes:  # its arguments could not be read: this is what there is of them
                    self._at("response.code_interpreter_call_code.done", call, code=body["code"])
                self._note(event, call)
                body["outputs"] = _outputs(event)
                if event.failure is None:
                    self._at("response.code_interpreter_call.completed", call)
                self._done(call, "completed" if event.failure is None else "failed")

    def _begin_shell(self, event: on.CallStarted) -> None:
        body: dict[str, Any] = {
            "type": "shell_call",
            "call_id": event.id,
            "action": {"commands": [], "max_output_length": None, "timeout_ms": None},
            "environment": {"type": "container_reference", "container_id": event.container_id},
        }
        self._calls[event.id] = self._add(body, call_id=event.id)

    def _shell_event(self, event: on.TurnEvent, call: _Output) -> None:
        body = call.item.body
        commands = body["action"]["commands"]
        match event:
            case on.CodeDelta():
                self._add_commands(call, commands, event.index + 1)
                commands[event.index] += event.text
                self._indexed("response.shell_call_command.delta", call, event.index, delta=event.text)
            case on.CallWritten():
                self._add_commands(call, commands, len(event.arguments["commands"]))
                wishes = {name: whole_number(event.arguments.get(name)) for name in ("max_output_length", "timeout_ms")}
                body["action"] = {"commands": event.arguments["commands"], **wishes}
                for index, command in enumerate(body["action"]["commands"]):
                    self._indexed("response.shell_call_command.done", call, index, command=command)
                self._done(call)
            case on.CallRunning():
                self._runs_in(event.container_id)
                body["environment"]["container_id"] = event.container_id
                self._shell_output(event.id)
            case on.OutputDelta():
                delta = {event.stream: event.text}
                output = self._shell_output(event.id)
                self._at("response.shell_call_output_content.delta", output, command_index=event.index, delta=delta)
            case on.CallDone():
                self._shell_done(event, call)

    def _add_commands(self, call: _Output, commands: list[str], count: int) -> None:
        # Of an empty command nothing is ever written.
        for index in range(len(commands), count):
            commands.append("")
            self._indexed("response.shell_call_command.added", call, index, command="")

    def _shell_output(self, call_id: str) -> _Output:
        if call_id not in self._shell_outputs:
            body: dict[str, Any] = {
                "type": "shell_call_output",
                "call_id": call_id,
                "output": [],
                "max_output_length": None,
            }
            self._shell_outputs[call_id] = self._add(body, call_id=call_id)
        return self._shell_outputs[call_id]

    def _shell_done(self, event: on.CallDone, call: _Output) -> None:
        if call.open:  # its arguments could not be read
            self._done(call, "incomplete")
        output = self._shell_output(event.id)
        self._note(event, output)
        chunks = [_shell_chunk(execution) for execution in event.executions] or [_not_run(event)]
        output.item.body["output"] = chunks
        for index, chunk in enumerate(chunks):
            fields = {"command_index": index, "output": [chunk]}
            self._at("response.shell_call_output_content.done", output, **fields)
        self._done(output, "completed" if event.failure is None else "incomplete")

    def _note(self, event: on.CallDone, output: _Output) -> None:
        self.files.update({file.path: file for file in event.files})
        output.item.private["told"] = event.told
        output.item.private["files"] = [[f.id, f.container_id, f.path, f.size] for f in event.files]

    def _runs_in(self, container_id: str) -> None:
        if container_id in self.containers:
            self.containers.remove(container_id)
        self.containers.insert(0, container_id)

    def _begin_text(self) -> _Output:
        body = {"type": "message", "role": "assistant", "content": []}
        message = self._add(body)
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self._part("content_part.added", message, part=dict(part))
        message.item.body["content"] = [part]
        return message

    def end_text(self, annotations: Sequence[Mapping[str, Any]], status: str = "completed") -> None:
        """Close the message that is being written, if there is one."""
        message, self._text = self._text, None
        if message is None:
            return
        part = message.item.body["content"][0]
        for index, annotation in enumerate(annotations):
            part["annotations"].append(annotation)
            self._part("output_text.annotation.added", message, annotation_index=index, annotation=annotation)
        self._part("output_text.done", message, text=part["text"], logprobs=[])
        self._part("content_part.done", message, part=part)
        self._done(message, status)

    def ensure_text(self) -> None:
        """Begin a message, if none is being written: an answer has one, even an empty one."""
        self.begin()
        self._end_thought()
        self._text = self._text or self._begin_text()

    def _begin_thought(self) -> _Output:
        self.end_text([])
        thought = self._add({"type": "reasoning", "summary": [], "content": []})
        part = {"type": self._thoughts.part, "text": ""}
        if self._thoughts is _SUMMARY:
            self._of_thought("reasoning_summary_part.added", thought, part=dict(part))
        thought.item.body[self._thoughts.field] = [part]
        return thought

    def _end_thought(self) -> None:
        thought, self._thought = self._thought, None
        if thought is None:
            return
        part = thought.item.body[self._thoughts.field][0]
        self._of_thought(f"{self._thoughts.kind}.done", thought, text=part["text"])
        if self._thoughts is _SUMMARY:
            self._of_thought("reasoning_summary_part.done", thought, part=part)
        self._done(thought)

    def _of_thought(self, event: str, thought: _Output, **fields: Any) -> None:
        self._at(f"response.{event}", thought, **{self._thoughts.index: 0}, **fields)

    def end(self, status: str, **fields: Any) -> None:
        """Close what is open, and set how the response ended; :meth:`last` tells of it."""
        self.begin()
        self._end_thought()
        self.end_text([], "completed" if status == "completed" else "incomplete")
        for output in self._outputs:
            if output.open:
                self._done(output, "incomplete")
        self.response.update(status=status, completed_at=int(time.time()) if status == "completed" else None, **fields)

    def last(self) -> dict[str, Any]:
        """The event of the response's end, which nobody has been sent yet."""
        status = self.response["status"]
        # A cancelled response has no event of its own.
        name = status if status in ("completed", "failed", "incomplete") else "incomplete"
        return self._numbered(f"response.{name}", response=self.snapshot())

    def _add(self, body: dict[str, Any], **private: Any) -> _Output:
        kind = body["type"]
        private["step"] = f"{self.response['id']}:{self._step}"
        body = {**body, "status": "in_progress"}
        if kind == "reasoning":
            del body["status"]
        item = Item(new_item_id(kind), self._owner, body, private, time.time())
        output = _Output(item, len(self._outputs))
        self._outputs.append(output)
        self._event("response.output_item.added", output_index=output.index, item=shown(item, self._include))
        return output

    def _done(self, output: _Output, status: str = "completed") -> None:
        output.open = False
        if "status" in output.item.body:
            output.item.body["status"] = status
        item = shown(output.item, self._include)
        self._event("response.output_item.done", output_index=output.index, item=item)

    def _at(self, event: str, made: _Output, /, **fields: Any) -> None:
        self._event(event, output_index=made.index, item_id=made.item.id, **fields)

    def _part(self, event: str, output: _Output, **fields: Any) -> None:
        self._at(f"response.{event}", output, content_index=0, **fields)

    def _indexed(self, event: str, output: _Output, index: int, **fields: Any) -> None:
        self._event(event, output_index=output.index, command_index=index, **fields)

    def _event(self, event: str, **fields: Any) -> None:
        self._send(self._numbered(event, **fields))

    def _numbered(self, event: str, **fields: Any) -> dict[str, Any]:
        numbered = {"type": event, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return numbered


def _outputs(event: on.CallDone) -> list[dict[str, Any]]:
    logs = "\n".join(filter(None, (output_of(execution) for execution in event.executions)))
    if event.failure is not None:
        logs = f"{logs}\n{event.told}".lstrip("\n")
    images = [{"type": "image", "url": f"data:image/png;base64,{png}"} for png in event.figures]
    return [*([{"type": "logs", "logs": logs}] if logs else []), *images]


def _shell_chunk(execution: Execution) -> dict[str, Any]:
    timed_out = execution.outcome == "timeout"
    outcome = {"type": "timeout"} if timed_out else {"type": "exit", "exit_code": execution.exit_code}
    return {"stdout": execution.stdout, "stderr": execution.stderr, "outcome": outcome}


def _not_run(event: on.CallDone) -> dict[str, Any]:
    return {"stdout": "", "stderr": event.told, "outcome": {"type": "exit", "exit_code": 126}}
