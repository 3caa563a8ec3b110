"""A turn as the steps of an interaction, and the events that tell of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ....store import Item, new_id
from ....turn import events as on
from ....web.encoding import dumps
from ....web.shapes import Json
from ....web.written import Written
from ..answer import ContentAnswer
from .steps import step_of

Send = Callable[[Json], None]
_LIFECYCLE = ("id", "status", "model", "object", "created", "updated", "usage")


class Emitter:
    """Hears what happens in a turn, makes the steps of an interaction of it, and sends its events.

    Args:
        interaction: as it is without its steps.
        answer: makes parts of events.
        send: told of each event.
    """

    def __init__(self, interaction: Json, owner: str, answer: ContentAnswer, send: Send) -> None:
        self.interaction = interaction
        self.begun = False
        self._steps: list[Item] = []
        self._written = Written()
        self._owner = owner
        self._answer = answer
        self._send = send
        self._open: Item | None = None
        self._number = 0

    @property
    def steps(self) -> list[Item]:
        """The steps so far."""
        self._written.settle()
        return self._steps

    def snapshot(self) -> Json:
        """The interaction as it is now."""
        return {**self.interaction, "steps": [step.body for step in self.steps]}

    def begin(self) -> None:
        """Say that there is an interaction."""
        if not self.begun:
            self.begun = True
            self._event("interaction.created", interaction=self._lifecycle())
            self._status("in_progress")

    def hear(self, event: on.TurnEvent) -> None:
        """Take something that happened in the turn."""
        self.begin()
        if isinstance(event, on.StepStarted | on.CallStarted | on.ClientCallStarted):
            self._close()
        private = {"told": event.told} if isinstance(event, on.CallDone) else {}
        for part in self._answer.parts(event):
            self.tell(part, private)

    def tell(self, part: Json, private: Mapping[str, Any] | None = None) -> None:
        """Add a part of the answer; what the server alone keeps goes with the results of code."""
        if "text" in part:
            self._add_text("thought" if part.get("thought") else "model_output", part["text"])
            return
        self._close()
        step = step_of(part)
        start, delta = _start_and_delta(step)
        self._begin_step(step, start, dict(private or {}) if step["type"] == "code_execution_result" else {})
        self._at("step.delta", delta=delta)
        self._close()

    def _add_text(self, kind: str, text: str) -> None:
        member = "summary" if kind == "thought" else "content"
        if self._open is None or self._open.body["type"] != kind:
            self._close()
            self._begin_step({"type": kind, member: [{"type": "text", "text": ""}]}, {"type": kind}, {})
        assert self._open is not None
        self._written.add(self._open.body[member][0], "text", text)
        said = {"type": "text", "text": text}
        self._at("step.delta", delta={"type": "thought_summary", "content": said} if kind == "thought" else said)

    def _begin_step(self, step: Json, start: Json, private: Json) -> None:
        self._open = Item(new_id("step_"), self._owner, step, private, time.time())
        self._steps.append(self._open)
        self._at("step.start", step=start)

    def _close(self) -> None:
        self._written.settle()
        if self._open is not None:
            self._at("step.stop")
            self._open = None

    def end(self, status: str, *, errors: list[Json] | None = None) -> None:
        """Close what is open, and set how the interaction ended; :meth:`last` tells of it."""
        self.begin()
        self._close()
        self.interaction.update(status=status, updated=now(), **({"errors": errors} if errors else {}))
        self._status(status)
        for error in errors or () if status == "failed" else ():
            self._event("error", error=error)

    def last(self) -> Json:
        """The event of the interaction's end, which nobody has been sent yet."""
        return self._numbered("interaction.completed", interaction=self._lifecycle())

    def release(self) -> None:
        """Let go of who listens, once the last event is sent."""
        self._send = lambda event: None

    def _status(self, status: str) -> None:
        self._event("interaction.status_update", interaction_id=self.interaction["id"], status=status)

    def _lifecycle(self) -> Json:
        return {name: self.interaction[name] for name in _LIFECYCLE if name in self.interaction}

    def _at(self, event: str, **fields: Any) -> None:
        self._event(event, index=len(self._steps) - 1, **fields)

    def _event(self, event: str, **fields: Any) -> None:
        self._send(self._numbered(event, **fields))

    def _numbered(self, event: str, **fields: Any) -> Json:
        self._number += 1
        return {"event_type": event, "event_id": str(self._number), **fields}


def now() -> str:
    """The time as Google writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _start_and_delta(step: Json) -> tuple[Json, Json]:
    """How a step that is whole begins, and what then comes to it."""
    match step["type"]:
        case "code_execution_call":
            start = {name: step[name] for name in ("type", "id")}
            return {**start, "arguments": {}}, {name: value for name, value in step.items() if name != "id"}
        case "code_execution_result":
            start = {name: step[name] for name in ("type", "call_id")}
            return {**start, "result": ""}, {name: value for name, value in step.items() if name != "call_id"}
        case "function_call":
            written = {"type": "arguments_delta", "arguments": dumps(step["arguments"]).decode()}
            return {**step, "arguments": {}}, written
    return {"type": step["type"]}, step["content"][0]
