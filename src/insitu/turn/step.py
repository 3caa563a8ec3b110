"""One step: what a model says in one answer, put together from the pieces in which it comes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import UpstreamFailed
from .arguments import CodeReader, valid_arguments
from .chunks import CallPiece, Piece, Tokens
from .events import (
    CallStarted,
    ClientCallDelta,
    ClientCallDone,
    ClientCallStarted,
    CodeDelta,
    Message,
    ReasoningDelta,
    TextDelta,
    TurnEvent,
)
from .messages import tool_call
from .tools import MOST_PARTS, ServerTool, new_call_id

Emit = Callable[[TurnEvent], object]

# Far more than any model writes in one answer: who passes it is broken.
_MOST_CHARS = 1 << 20
MOST_CALLS = 128
_NO_NAME = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(slots=True)
class ModelCall:
    """A tool call as the model wrote it.

    Args:
        id: minted here; the model's server is told the same.
        tool: the server's tool that it names, if it names one.
        known: whether anybody has a tool of its name.
        announced: whether its tool has been looked for.
        admitted: whether it is to be run here, and the turn's listener has heard of it.
        ran: whether it was run, to its end or not.
        reader: tells of its code as it comes, and so holds on to all of its turn; gone once the call is whole.
    """

    id: str
    name: str = ""
    arguments: str = ""
    tool: ServerTool | None = None
    known: bool = False
    announced: bool = False
    admitted: bool = False
    ran: bool = False
    reader: CodeReader | None = None


Caller = Callable[[str], ModelCall | None]
"""Finds the call whose code has made a call, as far as that is known here."""


@dataclass(slots=True)
class Step:
    """What a model said in one answer.

    Args:
        tokens: what its server tells of its cost.
        pieces: in how many it came; most servers send one for each token.
    """

    texts: list[str] = field(default_factory=list)
    reasoning: str = ""
    reasoning_field: str = ""
    calls: list[ModelCall] = field(default_factory=list)
    finish: str | None = None
    tokens: Tokens | None = None
    pieces: int = 0
    model: str = ""

    @property
    def text(self) -> str:
        """All of its text."""
        return "".join(self.texts)

    def message(self) -> Message:
        """The answer as a message of the transcript."""
        message: Message = {"role": "assistant", "content": self.text}
        if self.reasoning and self.calls:
            # Models that think between calls want to read their thoughts again until the turn is over.
            message[self.reasoning_field] = self.reasoning
        if self.calls:
            message["tool_calls"] = [_tool_call(call) for call in self.calls]
        return message


class StepReader:
    """Takes a step's pieces as they come, and tells of them.

    Args:
        number: which step of the turn it is.
        tools: the server's tools by the names that the model knows.
        client_tools: the names of the client's own.
        one_call: whether one call of the server's tools is all that a step may have.
        admits: whether another call of the server's tools is to be told of.
    """

    def __init__(
        self,
        number: int,
        tools: Mapping[str, ServerTool],
        client_tools: frozenset[str],
        *,
        one_call: bool,
        admits: Callable[[], bool],
        emit: Emit,
    ) -> None:
        self.step = Step()
        self.emitted = False
        self.answered = False  # whether the model server has begun to answer
        self._number = number
        self._tools = tools
        self._client_tools = client_tools
        self._one_call = one_call
        self._admits = admits
        self._emit = emit
        self._by_index: dict[int, ModelCall] = {}
        self._theirs: dict[int, str] = {}
        self._chars = 0

    def feed(self, piece: Piece) -> None:
        """Take a piece.

        Raises:
            UpstreamFailed: if the answer grows beyond all measure.
        """
        step = self.step
        step.model = piece.model or step.model
        step.tokens = piece.tokens or step.tokens
        step.finish = piece.finish or step.finish
        step.pieces += bool(piece.text or piece.thought or piece.calls)
        if piece.thought:
            thought = self._taken(piece.thought)
            step.reasoning += thought
            step.reasoning_field = piece.thought_field
            self._tell(ReasoningDelta(thought))
        if piece.text:
            self.text(piece.text)
        for call in piece.calls:
            self._call(call)

    def finish(self) -> Step:
        """The whole step.

        Raises:
            UpstreamFailed: if the answer stopped before its end.
        """
        if self.step.finish is None:
            raise UpstreamFailed("the model server's answer stopped before its end: it never said why it was over")
        if self.step.finish in ("length", "content_filter"):
            self.step.calls.clear()  # cut off in the midst: nobody knows what they were to be
        for call in self.step.calls:
            self._announce(call)
            if call.name in self._client_tools:
                self._tell(ClientCallDone(call.id, call.name, call.arguments))
        return self.step

    def text(self, text: str) -> None:
        """Take some of the answer's text."""
        text = self._taken(text)
        self.step.texts.append(text)
        self._tell(TextDelta(text))

    def code(self, tool: ServerTool, text: str) -> None:
        """Take some code of the one call that a model makes which writes blocks."""
        text = self._taken(text)
        if not self.step.calls:
            self._admits()  # which counts it: without a call to spare, nobody looks for blocks
            self.step.calls.append(ModelCall(new_call_id(), tool.name, tool=tool, known=True, announced=True))
            self._begin(self.step.calls[0], tool)
        call = self.step.calls[0]
        call.arguments += text
        if text:
            self._tell(CodeDelta(call.id, text))

    def close_code(self, tool: ServerTool) -> None:
        """Take the end of that code."""
        self.code(tool, "")
        call = self.step.calls[0]
        call.arguments = json.dumps({tool.code_field: call.arguments})

    def _call(self, piece: CallPiece) -> None:
        call = self._call_of(piece)
        call.name += self._taken(piece.name)
        if text := self._taken(piece.arguments):
            self._announce(call)
            call.arguments += text
            if call.reader:
                call.reader.feed(text)
            elif call.name in self._client_tools:
                self._tell(ClientCallDelta(call.id, text))

    def _call_of(self, piece: CallPiece) -> ModelCall:
        # Some servers send whole calls, all with the index 0: another id is another call.
        known = self._theirs.get(piece.index)
        if piece.index not in self._by_index or (piece.id and known and piece.id != known):
            if len(self.step.calls) >= MOST_CALLS:
                raise UpstreamFailed(f"the model makes more than {MOST_CALLS} calls at once; the turn was ended")
            call = ModelCall(new_call_id())
            self._by_index[piece.index] = call
            self._theirs.pop(piece.index, None)
            self.step.calls.append(call)
        if piece.id:
            self._theirs[piece.index] = piece.id
        return self._by_index[piece.index]

    def _announce(self, call: ModelCall) -> None:
        if call.announced:
            return
        call.announced = True
        if call.name in self._client_tools:
            call.known = True
            self._tell(ClientCallStarted(call.id, call.name))
            return
        call.tool = self._tools.get(call.name)
        call.known = call.tool is not None
        one_too_many = self._one_call and any(other.admitted for other in self.step.calls)
        if call.tool and not one_too_many and self._admits():
            self._begin(call, call.tool)
            call.reader = self._reader(call, call.tool.code_field)

    def _reader(self, call: ModelCall, field: str) -> CodeReader | None:
        return CodeReader(field, lambda text, i: self._tell(CodeDelta(call.id, text, i)), MOST_PARTS) if field else None

    def _begin(self, call: ModelCall, tool: ServerTool) -> None:
        call.admitted = True
        self._tell(CallStarted(call.id, tool.kind, self._number, tool.container.id))

    def _tell(self, event: TurnEvent) -> None:
        self.emitted = True
        self._emit(event)

    def _taken(self, text: str) -> str:
        self._chars += len(text)
        if self._chars > _MOST_CHARS:
            raise UpstreamFailed(f"the model server's answer is over {_MOST_CHARS} characters; the turn was ended")
        # JSON can hold halves of characters, which could be neither stored nor sent back.
        return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _tool_call(call: ModelCall) -> dict[str, Any]:
    name = call.name if call.known else _NO_NAME.sub("_", call.name)[:64] or "unnamed"
    return tool_call(call.id, name, valid_arguments(call.arguments))
