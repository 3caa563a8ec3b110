"""What a dialect asks a turn to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .container import Container
from .events import Message
from .resuming import Resumption
from .tools import ServerTool


@dataclass(slots=True)
class Attached:
    """Files that a turn is to put where its code runs; nothing is done with them before it has room.

    Args:
        contents: names and bytes of files that are stored nowhere, for where the first of its tools runs.
        stored: ids of stored files, by where they go.
    """

    contents: list[tuple[str, bytes]] = field(default_factory=list)
    stored: dict[Container, list[str]] = field(default_factory=dict)

    def add_stored(self, container: Container, file_ids: Iterable[str]) -> None:
        """Have stored files in a container."""
        self.stored.setdefault(container, []).extend(file_ids)


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """One request, in the shape of chat completions.

    Args:
        owner: whose it is.
        messages: the transcript so far.
        tools: the tools that run here.
        attached: files for where they run.
        client_tools: the client's own functions, as chat completions have them.
        tool_choice: as chat completions have it; it binds the first model call alone.
        options: what goes to the model server as it is, such as ``temperature``.
        max_output_tokens: tokens that the model may write in all its calls.
        max_tool_calls: calls of the tools that run here.
        max_steps: model calls; the operator's setting is the ceiling.
        caller_key: the caller's own key, for operators who forward it.
        keep_files: whether files that code makes outlive their sandbox.
        resumption: what the turn before has left open.
    """

    owner: str
    model: str
    messages: Sequence[Message]
    tools: Sequence[ServerTool] = ()
    attached: Attached = field(default_factory=Attached)
    client_tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    max_steps: int | None = None
    caller_key: str = ""
    keep_files: bool = True
    resumption: Resumption | None = None
