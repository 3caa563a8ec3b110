"""A call while it is run: what its code has called, and what it waits for."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..engine import RunningExecution
from ..types import Event
from .events import (
    CallDone,
    CallRunning,
    CallStarted,
    CallWritten,
    ClientCallDelta,
    ClientCallDone,
    ClientCallStarted,
    CodeDelta,
    ToolCalled,
    TurnEvent,
)
from .step import ModelCall

# Of the calls of one piece of code, and characters of the arguments of each.
_MOST_TOLD, _ARGUMENTS = 100, 200


@dataclass(frozen=True, slots=True)
class Run:
    """A call that has been run, or could not be.

    Args:
        last_error: name and value of what the code raised in the end.
        ran: whether any code ran.
    """

    done: CallDone
    last_error: tuple[str, str] | None = None
    ran: bool = False


@dataclass(slots=True)
class Undertaken:
    """One call, and how far it is.

    Args:
        running: its Python, if it is that.
        arguments: as they were read; None if they have not been, or could not be.
        waiting: calls of the client's functions that its code waits for: their names and arguments.
        asked: calls of the server's tools that are not answered yet.
        callers: whose code has made a call, by its id: each call of the client's functions is added, answered or not.
        tools_called: what its code has called, the first hundred.
        begun: whether the turn that listens has heard of it.
    """

    call: ModelCall
    running: RunningExecution | None = None
    arguments: Mapping[str, Any] | None = None
    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    callers: dict[str, ModelCall] = field(default_factory=dict)
    tools_called: list[ToolCalled] = field(default_factory=list)
    run: Run | None = None
    begun: bool = True

    @property
    def at_rest(self) -> bool:
        """Whether nothing happens in it until the client answers: it waits, or waits for its turn behind one."""
        if self.running is None:
            return False
        return not self.running.started or (bool(self.waiting) and not self.asked)

    def note(self, event: Event, functions: Collection[str]) -> ToolCalled | None:
        """Take an event of its execution; what there is to tell of it."""
        if event.kind == "tool_result":
            self.waiting.pop(event.data["call_id"], None)
            self.asked.discard(event.data["call_id"])
        if event.kind != "tool_call":
            return None
        call_id, name = event.data["call_id"], event.data["name"]
        arguments = _as_text(event.data["arguments"])
        if name in functions:
            self.waiting[call_id] = name, arguments
            self.callers[call_id] = self.call
        else:
            self.asked.add(call_id)
        if len(self.tools_called) >= _MOST_TOLD:
            return None
        self.tools_called.append(ToolCalled(self.call.id, call_id, name, _shortened(arguments)))
        # Of a function of its own the client hears as a call to answer.
        return None if name in functions else self.tools_called[-1]

    def beginning(self) -> Iterator[TurnEvent]:
        """What a turn hears of it that goes on with it."""
        call = self.call
        assert call.tool is not None
        container_id = call.tool.container.id
        yield CallStarted(call.id, call.tool.kind, 0, container_id, resumed=True)
        if self.arguments is not None:
            for index, part in enumerate(call.tool.parts(self.arguments)):
                yield CodeDelta(call.id, part, index)
            yield CallWritten(call.id, self.arguments)
            yield CallRunning(call.id, container_id)

    def pending(self) -> Iterator[TurnEvent]:
        """The calls that the client is to answer."""
        for call_id, (name, arguments) in self.waiting.items():
            yield ClientCallStarted(call_id, name, self.call.id)
            yield ClientCallDelta(call_id, arguments)
            yield ClientCallDone(call_id, name, arguments)


def _as_text(arguments: Mapping[str, Any]) -> str:
    # JSON can hold halves of characters, which could be neither stored nor sent.
    return json.dumps(arguments, ensure_ascii=False).encode("utf-8", "replace").decode()


def _shortened(text: str) -> str:
    return text if len(text) <= _ARGUMENTS else f"{text[: _ARGUMENTS - 1]}…"
