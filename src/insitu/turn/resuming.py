"""Going on with calls that an earlier turn has left open: their code waited for the client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .events import Message
from .messages import tool_message
from .steprun import StepRun

GONE = (
    "[the code was cut off while it waited for an answer of the user's functions: its sandbox or its server ended, or "
    "it waited for too long. Nobody knows how far it came; it was not run again]"
)


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a turn goes on with.

    Args:
        run: where the calls are run; None if there is nothing to go on with.
        open_calls: those of them that the transcript has no output of.
        answers: what the client answers, by the ids of its functions' calls.
        outputs: of open calls with which there is no going on, since they are gone, or the model has answered since.
    """

    run: StepRun | None
    open_calls: Sequence[str]
    answers: Mapping[str, object]
    outputs: Mapping[str, str]

    @property
    def unanswered(self) -> str | None:
        """A call that waits, if the client has answered none of them: it does not go on with it."""
        if self.run is None or not self.run.waiting or self.run.callers.keys() & self.answers.keys():
            return None
        return self.run.waiting[0]

    def fill(self, messages: Sequence[Message]) -> list[Message]:
        """The transcript with the outputs of all other calls."""
        return with_outputs(messages, self.outputs)


def last_calls(messages: Sequence[Message]) -> set[str | None]:
    """The ids of the last calls that the model has made, if it has said nothing since."""
    answer = next((message for message in reversed(messages) if message.get("role") == "assistant"), {})
    return {call.get("id") for call in answer.get("tool_calls") or ()}


def with_outputs(messages: Sequence[Message], outputs: Mapping[str, str]) -> list[Message]:
    """The transcript with outputs of calls that had none, each behind those of the same step."""
    found: list[Message] = []
    waiting: list[Message] = []
    for message in messages:
        if message.get("role") != "tool":
            found += waiting
            waiting = []
        found.append(message)
        for call in message.get("tool_calls") or ():
            if call.get("id") in outputs:
                waiting.append(tool_message(call["id"], outputs[call["id"]]))
    return [*found, *waiting]
