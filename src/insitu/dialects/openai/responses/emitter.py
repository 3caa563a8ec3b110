"""A turn as the events and items of a response, in the order that OpenAI sends them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....turn import events as on
from ....web.shapes import Json
from .citations import cite_links
from .outputs import Output, Outputs, Send
from .server_calls import CodeCall, ShellCall


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


def _to_nobody(event: Json) -> None:
    pass


class Emitter(Outputs):
    """Hears what happens in a turn, and sends the response's events; it sets the response's status."""

    def __init__(self, response: Json, owner: str, include: Sequence[str], send: Send) -> None:
        super().__init__(response, owner, include, send)
        self.begun = False
        self.known: dict[str, on.MadeFile] = {}
        self._text: Output | None = None
        self._thought: Output | None = None
        self._thoughts = _SUMMARY if response["reasoning"]["summary"] else _REASONING
        self._calls: dict[str, CodeCall | ShellCall] = {}
        self._client_calls: dict[str, Output] = {}

    @property
    def text(self) -> str | None:
        """The text of the message that is being written."""
        self.written.settle()
        return None if self._text is None else str(self._text.body["content"][0]["text"])

    def release(self) -> None:
        """Let go of all that is not needed once the last event is sent."""
        self._calls.clear()
        self._client_calls.clear()
        self._send = _to_nobody

    def begin(self) -> None:
        """Say that there is a response."""
        if self.begun:
            return
        self.begun = True
        self.event("response.created", response=self.snapshot())
        if self.response["status"] == "queued":
            self.event("response.queued", response=self.snapshot())
            self.response["status"] = "in_progress"
        self.event("response.in_progress", response=self.snapshot())

    def hear(self, event: on.TurnEvent) -> None:
        """Take something that happened in the turn."""
        self.written.hear(event)
        if isinstance(event, on.StepStarted):
            self.step = event.step
        self.begin()
        if not isinstance(event, on.ReasoningDelta):
            self._end_thought()
        match event:
            case on.StepStarted():
                self.end_text()
            case on.TextDelta():
                message = self._text = self._text or self._begin_text()
                self.written.add(message.body["content"][0], "text", event.text)
                self._part("output_text.delta", message, delta=event.text, logprobs=[])
            case on.ReasoningDelta():
                thought = self._thought = self._thought or self._begin_thought()
                self.written.add(thought.body[self._thoughts.field][0], "text", event.text)
                self._of_thought(f"{self._thoughts.kind}.delta", thought, delta=event.text)
            case on.CallStarted() | on.ClientCallStarted():
                self.end_text()
                self._begin_call(event)
            case on.ClientCallDelta() | on.ClientCallDone():
                self._client_call(event, self._client_calls[event.id])
            case _:
                self._calls[event.id].hear(event)

    def _begin_call(self, event: on.CallStarted | on.ClientCallStarted) -> None:
        if isinstance(event, on.CallStarted):
            self._calls[event.id] = (ShellCall if event.tool == "shell" else CodeCall)(self, event)
        else:
            body: Json = {"type": "function_call", "call_id": event.id, "name": event.name, "arguments": ""}
            if event.caller is not None:
                body["caller"] = {"type": "program", "caller_id": event.caller}
            self._client_calls[event.id] = self.add(body)

    def _client_call(self, event: on.ClientCallDelta | on.ClientCallDone, call: Output) -> None:
        if isinstance(event, on.ClientCallDelta):
            self.written.add(call.body, "arguments", event.text)
            self.at("response.function_call_arguments.delta", call, delta=event.text)
        else:
            call.body["arguments"] = event.arguments
            named = {"arguments": event.arguments, "name": event.name}
            self.at("response.function_call_arguments.done", call, **named)
            self.done(call)

    def _begin_text(self) -> Output:
        message = self.add({"type": "message", "role": "assistant", "content": []})
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        self._part("content_part.added", message, part=dict(part))
        message.body["content"] = [part]
        return message

    def end_text(self, annotations: Sequence[Mapping[str, Any]] | None = None, status: str = "completed") -> None:
        """Close the message that is being written, if there is one.

        Args:
            annotations: by default those of its links; what it links need not be named again.
        """
        message, self._text = self._text, None
        if message is None:
            return
        self.written.settle()
        part = message.body["content"][0]
        if annotations is None:
            annotations = self._cite(part["text"])
        for index, annotation in enumerate(annotations):
            part["annotations"].append(annotation)
            self._part("output_text.annotation.added", message, annotation_index=index, annotation=annotation)
        self._part("output_text.done", message, text=part["text"], logprobs=[])
        self._part("content_part.done", message, part=part)
        self.done(message, status)

    def _cite(self, text: str) -> list[Json]:
        cited = cite_links(text, self.known | self.files)
        linked = {annotation["file_id"] for annotation in cited}
        self.files = {path: file for path, file in self.files.items() if file.id not in linked}
        return cited

    def ensure_text(self) -> None:
        """Begin a message, if none is being written: an answer has one, even an empty one."""
        self.begin()
        self._end_thought()
        self._text = self._text or self._begin_text()

    def _begin_thought(self) -> Output:
        self.end_text()
        thought = self.add({"type": "reasoning", "summary": [], "content": []})
        part = {"type": self._thoughts.part, "text": ""}
        if self._thoughts is _SUMMARY:
            self._of_thought("reasoning_summary_part.added", thought, part=dict(part))
        thought.body[self._thoughts.field] = [part]
        return thought

    def _end_thought(self) -> None:
        thought, self._thought = self._thought, None
        if thought is None:
            return
        self.written.settle()
        part = thought.body[self._thoughts.field][0]
        self._of_thought(f"{self._thoughts.kind}.done", thought, text=part["text"])
        if self._thoughts is _SUMMARY:
            self._of_thought("reasoning_summary_part.done", thought, part=part)
        self.done(thought)

    def _of_thought(self, event: str, thought: Output, **fields: Any) -> None:
        self.at(f"response.{event}", thought, **{self._thoughts.index: 0}, **fields)

    def _part(self, event: str, output: Output, **fields: Any) -> None:
        self.at(f"response.{event}", output, content_index=0, **fields)

    def end(self, status: str, **fields: Any) -> None:
        """Close what is open, and set how the response ended; :meth:`last` tells of it."""
        self.begin()
        self._end_thought()
        self.end_text(status="completed" if status == "completed" else "incomplete")
        self.close()
        self.response.update(status=status, completed_at=int(time.time()) if status == "completed" else None, **fields)

    def last(self) -> Json:
        """The event of the response's end, which nobody has been sent yet."""
        status = self.response["status"]
        # A cancelled response has no event of its own.
        name = status if status in ("completed", "failed", "incomplete") else "incomplete"
        return self.numbered(f"response.{name}", response=self.snapshot())
