"""What happens in a turn, as its dialect hears of it while it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..types import Execution
from .editing import Edit

Message = dict[str, Any]
"""One message of a transcript, in the shape of chat completions."""

MOST_FILES = 100
"""Files of one turn that are kept, and of one call or answer that are told of; the others can be listed."""

Reason = Literal[
    "stop", "length", "content_filter", "client_tools", "max_steps", "max_time", "max_tokens", "repeated_error"
]
"""Why a turn ended: by the model's own word, for a client's tool, or at one of its guards."""


@dataclass(frozen=True, slots=True)
class StepStarted:
    """The model is asked; 1 is the first time."""

    step: int


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Some of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """Some of the model's reasoning, where its server shows it."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The model begins to write a call of one of the server's tools.

    Args:
        id: minted here, and unique in all turns.
        step: the model call that it belongs to; 0 if that was in an earlier turn.
        container_id: where it is going to run.
        resumed: whether it goes on: an earlier turn ended while its code waited for the client.
    """

    id: str
    tool: str
    step: int
    container_id: str
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class CodeDelta:
    """Some more of a call's code; ``index`` counts the commands of a shell call."""

    id: str
    text: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class CallWritten:
    """The call's arguments are complete."""

    id: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallRunning:
    """Its code runs now; ``container_id`` is another one if the first had to be replaced meanwhile."""

    id: str
    container_id: str


@dataclass(frozen=True, slots=True)
class OutputDelta:
    """Something that the running code wrote."""

    id: str
    stream: Literal["stdout", "stderr"]
    text: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """Running code has called a tool.

    Args:
        id: the call of the model's, whose code it is.
        call_id: the engine's own id of it.
        arguments: JSON text, shortened where it is long.
    """

    id: str
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class CallPaused:
    """Its code waits for the client to answer its calls, or it waits for such code; the turn ends here."""

    id: str


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file of a container that code has made or changed.

    Args:
        path: relative to the workspace.
    """

    id: str
    container_id: str
    path: str
    size: int

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class CallDone:
    """What came of a call.

    Args:
        executions: one, or one for each command; none if it could not be run.
        told: what the model is told of it.
        files: what it made or changed; figures among them.
        figures: the images it showed, PNG in base64.
        failure: why it was not run, or not to its end.
        failure_code: the same as the code of an error, or ``invalid_arguments``.
        edit: what an editor has shown or changed.
        tools_called: what its code has called, the first hundred.
    """

    id: str
    arguments: Mapping[str, Any]
    told: str
    executions: tuple[Execution, ...] = ()
    files: tuple[MadeFile, ...] = ()
    figures: tuple[str, ...] = ()
    failure: str | None = None
    failure_code: str | None = None
    edit: Edit | None = None
    tools_called: tuple[ToolCalled, ...] = ()

    @property
    def execution(self) -> Execution | None:
        """How its code ended: of several commands the last one; None if there was none to run, or it could not be."""
        return self.executions[-1] if self.executions else None


@dataclass(frozen=True, slots=True)
class ClientCallStarted:
    """The model begins to write a call of one of the client's own tools.

    Args:
        caller: the call of the model's whose code makes it; None if it is the model itself.
    """

    id: str
    name: str
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class ClientCallDelta:
    """Some more of its arguments, as JSON text."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class ClientCallDone:
    """Its arguments are complete, whatever they are: the client judges them."""

    id: str
    name: str
    arguments: str


CallEvent = CallWritten | CallRunning | OutputDelta | ToolCalled | CallDone
"""What happens in a call of the server's tools once the model has written it."""

TurnEvent = (
    StepStarted
    | TextDelta
    | ReasoningDelta
    | CallStarted
    | CodeDelta
    | CallWritten
    | CallRunning
    | OutputDelta
    | ToolCalled
    | CallPaused
    | CallDone
    | ClientCallStarted
    | ClientCallDelta
    | ClientCallDone
)


@dataclass(slots=True)
class TurnUsage:
    """The tokens of all model calls of a turn together.

    Args:
        complete: whether the model server told of every call.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    steps: int = 0
    complete: bool = True

    @property
    def total_tokens(self) -> int:
        """All of them."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class TurnResult:
    """How a turn ended.

    Args:
        messages: what it added to the transcript.
        model: the model's name, as its server says it.
        code_ran: whether any code ran, so that the request must not be sent again by itself.
        outputs: what the model was told of calls that an earlier turn had left open, by their ids.
        open_calls: those whose code waits for the client.
    """

    reason: Reason
    usage: TurnUsage
    messages: tuple[Message, ...] = ()
    model: str = ""
    code_ran: bool = False
    outputs: Mapping[str, str] = field(default_factory=dict)
    open_calls: tuple[str, ...] = ()
