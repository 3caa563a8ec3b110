"""The loop: ask the model, run what it writes, tell it what came of it, until it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import anyio
import anyio.lowlevel

from ..errors import InsituError, InvalidRequest
from ..settings import Settings
from .chunks import Piece
from .events import Message, Reason, StepStarted, TurnResult
from .fenced import FencedReader, as_fenced
from .following import Following
from .guard import Guard, TurnFailed, is_safe_to_repeat
from .held import StepRuns
from .messages import image_part, text_part, tool_message
from .request import TurnRequest
from .resuming import GONE, Resumption, with_outputs
from .step import Emit, ModelCall, Step, StepReader
from .undertaken import Run
from .upstream import Upstream

# A model call that breaks off before it has said anything is made so often.
_ATTEMPTS = 3
_MOST_IMAGES = 8
_SHOWN_NAME = 64
_PIECES_AT_ONCE = 64


class Loop:
    """One turn.

    Args:
        runs: where the calls of its steps are run.
        explanation: what a model in the fenced mode is told of Python; "" for models that call tools.
        emit: told of everything as it happens; it must not wait.
    """

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        runs: StepRuns,
        request: TurnRequest,
        emit: Emit,
        explanation: str = "",
    ) -> None:
        self._upstream = upstream
        self._calls = Following(runs, request.owner, emit)
        self._request = request
        self._emit = emit
        self._timeout_s = settings.turn_timeout_s
        self._sees = matches(request.model, settings.vision_models)
        self._fenced = bool(request.tools) and matches(request.model, settings.fenced_models)
        if self._fenced and (request.client_tools or any(tool.kind != "python" for tool in request.tools)):
            raise InvalidRequest(
                f"the model {request.model!r} calls no tools: its Python blocks are run, and nothing else",
                hint="leave the other tools out; the setting fenced_models names such models",
            )
        self._explanation = explanation
        self._tools = {tool.name: tool for tool in request.tools}
        self._client_tools = frozenset(_function_name(tool) for tool in request.client_tools)
        self._guard = Guard(
            max_steps=min(request.max_steps or settings.max_steps, settings.max_steps),
            max_tokens=settings.max_turn_tokens,
            max_output_tokens=request.max_output_tokens,
            max_tool_calls=request.max_tool_calls,
        )
        # Asked of the model, too; but not every server heeds it, or knows it.
        self._one_call = request.options.get("parallel_tool_calls") is False
        self._messages = list(request.messages)
        self._begun = len(self._messages)
        self._model = request.model
        self._code_ran = False
        self._outputs: dict[str, str] = {}

    async def run(self) -> TurnResult:
        """Go on until the model has answered, or a guard ends it.

        Raises:
            TurnFailed: if the model server failed.
        """
        reason: Reason = "max_time"
        with anyio.move_on_after(self._timeout_s) as patience:
            try:
                reason = await self._until_answered()
            except InsituError as exc:
                raise TurnFailed(exc, self._guard.usage, code_ran=self._code_ran) from exc
        if patience.cancelled_caught:
            self._calls.cancel()
        return TurnResult(
            reason,
            self._guard.usage,
            tuple(self._messages[self._begun :]),
            self._model,
            self._code_ran,
            self._outputs,
            tuple(self._calls.open_calls),
        )

    async def _until_answered(self) -> Reason:
        if self._request.resumption is not None and (ended := await self._resume(self._request.resumption)):
            return ended
        while True:
            if (spent := self._guard.spent()) is not None:
                return spent
            step = await self._ask()
            self._messages.append(step.message())
            if not step.calls or step.finish in ("length", "content_filter"):
                return _reason(step.finish)
            ended = await self._run_calls(step)
            if ended:
                return ended

    async def _ask(self) -> Step:
        offers = self._guard.offers_tools
        for attempt in range(1, _ATTEMPTS + 1):
            reader = StepReader(
                self._guard.usage.steps + 1,
                self._tools,
                self._client_tools,
                one_call=self._one_call,
                admits=lambda: offers and self._guard.admits_call(),
                emit=self._emit,
            )
            try:
                step = await self._read(reader, offers)
            except InsituError as exc:
                if attempt == _ATTEMPTS or not reader.answered or not is_safe_to_repeat(exc, emitted=reader.emitted):
                    raise
            else:
                self._guard.count(step.tokens, step.pieces, _chars(self._messages) if step.tokens is None else 0)
                self._model = step.model or self._model
                return step
        raise AssertionError("the last attempt raises")

    async def _read(self, reader: StepReader, offers: bool) -> Step:
        async with self._upstream.stream(self.body(offers_tools=offers), self._request.caller_key) as pieces:
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
        (tool,) = self._tools.values()
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

    def body(self, *, offers_tools: bool = True) -> dict[str, Any]:
        """What the model server is asked next."""
        request = self._request
        body: dict[str, Any] = {**request.options, "model": request.model, "messages": self._messages}
        if self._fenced:
            body["messages"] = as_fenced(self._messages, self._explanation)
        elif request.tools or request.client_tools:
            body.update(self._tool_fields(offers_tools))
        if self._guard.output_left is not None:
            body["max_tokens"] = self._guard.output_left
        return body

    def _tool_fields(self, offers_tools: bool) -> dict[str, Any]:
        server, client = [tool.definition for tool in self._request.tools], list(self._request.client_tools)
        if server and (self._guard.last_step or (not offers_tools and not client)):
            # Still described, as the transcript has calls of them; many a server wants that.
            return {"tools": [*server, *client], "tool_choice": "none"}
        tools = [*server, *client] if offers_tools else client
        choice = self._request.tool_choice
        # What must be called has been called after the first step: asked for again, it would never end.
        chosen = choice is not None and (choice == "none" or not (self._guard.usage.steps or self._outputs))
        return {"tools": tools, "tool_choice": choice} if chosen else {"tools": tools}

    async def _run_calls(self, step: Step) -> Reason | None:
        admitted = [call for call in step.calls if call.admitted]
        run = await self._calls.start(admitted)
        for call in step.calls:
            if call.name not in self._client_tools and call.id not in self._calls.open_calls:
                self._messages.append(self._answer(call, run.runs.get(call.id)))
        self._show(run.runs.values())
        if self._calls.open_calls or any(call.name in self._client_tools for call in step.calls):
            return "client_tools"
        return "repeated_error" if self._guard.stuck else None

    async def _resume(self, resumption: Resumption) -> Reason | None:
        if resumption.run is None:
            return None
        run = await self._calls.go_on(resumption.run, resumption)
        ended = {call_id: run.runs[call_id] for call_id in resumption.open_calls if call_id in run.runs}
        for call_id in resumption.open_calls:
            if call_id not in self._calls.open_calls:
                self._outputs[call_id] = self._told(ended[call_id]) if call_id in ended else GONE
        before = len(self._messages)
        self._messages = with_outputs(self._messages, self._outputs)
        self._begun += len(self._messages) - before
        self._show(ended.values())
        return "client_tools" if self._calls.open_calls else None

    def _show(self, runs: Iterable[Run]) -> None:
        figures = [figure for run in runs for figure in run.done.figures]
        if figures and self._sees:
            self._messages.append(_as_images(figures[:_MOST_IMAGES]))

    def _answer(self, call: ModelCall, run: Run | None) -> Message:
        told = self._told(run) if run else self._hinted(self._not_run(call), ("not run", call.name))
        return tool_message(call.id, told)

    def _told(self, run: Run) -> str:
        self._code_ran |= run.ran
        return self._hinted(run.done.told, run.last_error)

    def _hinted(self, told: str, error: tuple[str, str] | None) -> str:
        hint = self._guard.note_error(error)
        return f"{told}\n{hint}" if hint else told

    def _not_run(self, call: ModelCall) -> str:
        if call.tool is None:
            names = ", ".join([*self._tools, *sorted(self._client_tools)])
            return f"[not run: there is no tool {call.name[:_SHOWN_NAME]!r}; there are: {names}]"
        if self._guard.spent() == "max_steps":
            return "[not run: this was the last step]"
        if self._one_call:
            return "[not run: one call at a time; send it again if it is still needed]"
        return f"[not run: the request allows {self._request.max_tool_calls} calls; answer with what you have]"


def _reason(finish: str | None) -> Reason:
    match finish:
        case "length" | "content_filter":
            return finish
        case _:
            return "stop"


def matches(model: str, patterns: Sequence[str]) -> bool:
    """Whether a model's name fits one of the operator's patterns."""
    return any(fnmatchcase(model.lower(), pattern.lower()) for pattern in patterns)


def _chars(messages: Sequence[Message]) -> int:
    return sum(len(content) for message in messages if isinstance(content := message.get("content"), str))


def _function_name(tool: Mapping[str, Any]) -> str:
    function = tool.get("function")
    return str(function.get("name")) if isinstance(function, Mapping) else ""


def _as_images(figures: Sequence[str]) -> Message:
    images = [image_part(f"data:image/png;base64,{figure}") for figure in figures]
    return {"role": "user", "content": [text_part("[the figures that the code has shown]"), *images]}
