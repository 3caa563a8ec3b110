"""What a dialect asks a turn to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .events import Message
from .resuming import Resumption
from .tools import ServerTool


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """One request, in the shape of chat completions.

    Args:
        owner: whose it is.
        messages: the transcript so far.
        tools: the tools that run here.
        contents: names and bytes of files to be put where the first of them runs.
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
    contents: Sequence[tuple[str, bytes]] = ()
    client_tools: Sequence[Mapping[str, Any]] = ()
    tool_choice: Any = None
    options: Mapping[str, Any] = field(default_factory=dict)
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    max_steps: int | None = None
    caller_key: str = ""
    keep_files: bool = True
    resumption: Resumption | None = None
