"""Asking the model for its next step, of which the turn's listener hears while it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import anyio.lowlevel

from ..errors import InsituError, InvalidRequest
from ..settings import Settings
from .chunks import Piece
from .events import Message, StepStarted
from .fenced import FencedReader, as_fenced
from .guard import Guard, is_safe_to_repeat
from .request import TurnRequest
from .step import Emit, Step, StepReader
from .upstream import Upstream

# A model call that breaks off before it has said anything is made so often.
_ATTEMPTS = 3
_PIECES_AT_ONCE = 64


class Asking:
    """Asks the model of one turn.

    Args:
        explanation: what a model in the fenced mode is told of Python.

    Raises:
        InvalidRequest: if the model cannot do what is asked.
    """

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        request: TurnRequest,
        guard: Guard,
        emit: Emit,
        explanation: str,
    ) -> None:
        self.tools = {tool.name: tool for tool in request.tools}
        self.client_tools = frozenset(_function_name(tool) for tool in request.client_tools)
        # Asked of the model, too; but not every server heeds it, or knows it.
        self.one_call = request.options.get("parallel_tool_calls") is False
        self.model = request.model
        self._upstream = upstream
        self._request = request
        self._guard = guard
        self._emit = emit
        self._explanation = explanation
        self._fenced = bool(request.tools) and matches(request.model, settings.fenced_models)
        if self._fenced and (request.client_tools or any(tool.kind != "python" for tool in request.tools)):
            raise InvalidRequest(
                f"the model {request.model!r} calls no tools: its Python blocks are run, and nothing else",
                hint="leave the other tools out; the setting fenced_models names such models",
            )

    async def step(self, messages: Sequence[Message], *, first: bool) -> Step:
        """What the model says next, and counts it.

        Args:
            first: whether nothing has been called yet in answer to this request.

        Raises:
            InsituError: if the model server failed.
        """
        offers = self._guard.offers_tools
        for attempt in range(1, _ATTEMPTS + 1):
            reader = StepReader(
                self._guard.usage.steps + 1,
                self.tools,
                self.client_tools,
                one_call=self.one_call,
                admits=lambda: offers and self._guard.admits_call(),
                emit=self._emit,
            )
            try:
                step = await self._read(reader, self.body(messages, first=first, offers_tools=offers), offers)
            except InsituError as exc:
                if attempt == _ATTEMPTS or not reader.answered or not is_safe_to_repeat(exc, emitted=reader.emitted):
                    raise
            else:
                self._guard.count(step.tokens, step.pieces, _chars(messages) if step.tokens is None else 0)
                self.model = step.model or self.model
                return step
        raise AssertionError("the last attempt raises")

    async def _read(self, reader: StepReader, body: Mapping[str, Any], offers: bool) -> Step:
        async with self._upstream.stream(body, self._request.caller_key) as pieces:
            self._begin_step(reader)
            if self._fenced and offers:
                return await self._read_fenced(reader, pieces)
            async for piece in pieces:
                reader.feed(piece)
                if reader.step.pieces % _PIECES_AT_ONCE == 0:
                    await anyio.lowlevel.checkpoint()  # what came in one go must not hold up everybody
        return reader.finish()

    def _begin_step(self, reader: StepReader) -> None:
        reader.answered = True
        self._emit(StepStarted(self._guard.usage.steps + 1))

    async def _read_fenced(self, reader: StepReader, pieces: AsyncIterator[Piece]) -> Step:
        (tool,) = self.tools.values()
        fence = FencedReader(reader.text, lambda text: reader.code(tool, text))
        async for piece in pieces:
            fence.feed(piece.text)
            reader.feed(replace(piece, text=""))
            reader.step.pieces += bool(piece.text)
            if fence.closed:
                break  # what it says next it says when it has seen the output
        fence.finish()
        if fence.in_code and reader.step.finish in (None, "stop") and (fence.closed or reader.step.finish):
            reader.step.finish = "tool_calls"
            reader.close_code(tool)
        return reader.finish()

    def body(self, messages: Sequence[Message], *, first: bool = True, offers_tools: bool = True) -> dict[str, Any]:
        """What the model server is asked next."""
        request = self._request
        body: dict[str, Any] = {**request.options, "model": request.model, "messages": messages}
        if self._fenced:
            body["messages"] = as_fenced(messages, self._explanation)
        elif request.tools or request.client_tools:
            body.update(self._tool_fields(first, offers_tools))
        if self._guard.output_left is not None:
            body["max_tokens"] = self._guard.output_left
        return body

    def _tool_fields(self, first: bool, offers_tools: bool) -> dict[str, Any]:
        server, client = [tool.definition for tool in self._request.tools], list(self._request.client_tools)
        if server and (self._guard.last_step or (not offers_tools and not client)):
            # Still described, as the transcript has calls of them; many a server wants that.
            return {"tools": [*server, *client], "tool_choice": "none"}
        tools = [*server, *client] if offers_tools else client
        choice = self._request.tool_choice
        # What must be called has been called after the first step: asked for again, it would never end.
        chosen = choice is not None and (choice == "none" or (first and not self._guard.usage.steps))
        return {"tools": tools, "tool_choice": choice} if chosen else {"tools": tools}


def matches(model: str, patterns: Sequence[str]) -> bool:
    """Whether a model's name fits one of the operator's patterns."""
    return any(fnmatchcase(model.lower(), pattern.lower()) for pattern in patterns)


def _chars(messages: Sequence[Message]) -> int:
    return sum(len(content) for message in messages if isinstance(content := message.get("content"), str))


def _function_name(tool: Mapping[str, Any]) -> str:
    function = tool.get("function")
    return str(function.get("name")) if isinstance(function, Mapping) else ""
