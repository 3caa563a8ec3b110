"""The loop: ask the model, run what it writes, tell it what came of it, until it answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import anyio

from ..settings import Settings
from .asking import Asking, matches
from .events import Message, Reason, TurnResult
from .following import Following
from .guard import Guard, TurnFailed
from .held import StepRuns
from .messages import image_part, text_part, tool_message
from .request import TurnRequest
from .resuming import GONE, Resumption, with_outputs
from .step import Emit, ModelCall, Step
from .undertaken import Run
from .upstream import Upstream

_MOST_IMAGES = 8
_SHOWN_NAME = 64


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
        self._calls = Following(runs, request.owner, emit)
        self._request = request
        self._timeout_s = settings.turn_timeout_s
        self._sees = matches(request.model, settings.vision_models)
        self._guard = Guard(
            max_steps=min(request.max_steps or settings.max_steps, settings.max_steps),
            max_tokens=settings.max_turn_tokens,
            max_output_tokens=request.max_output_tokens,
            max_tool_calls=request.max_tool_calls,
        )
        self._asking = Asking(settings, upstream, request, self._guard, emit, explanation)
        self._messages = list(request.messages)
        self._begun = len(self._messages)
        self._code_ran = False
        self._outputs: dict[str, str] = {}

    async def run(self) -> TurnResult:
        """Go on until the model has answered, or a guard ends it.

        Raises:
            TurnFailed: if the model server failed, or anything else.
        """
        reason: Reason = "max_time"
        with anyio.move_on_after(self._timeout_s) as patience:
            try:
                reason = await self._until_answered()
            except Exception as exc:
                raise TurnFailed(exc, self._guard.usage, code_ran=self._code_ran) from exc
        if patience.cancelled_caught:
            self._calls.cancel()
        return TurnResult(
            reason,
            self._guard.usage,
            tuple(self._messages[self._begun :]),
            self._asking.model,
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
            step = await self._asking.step(self._messages, first=not self._outputs)
            self._messages.append(step.message())
            if not step.calls or step.finish in ("length", "content_filter"):
                return _reason(step.finish)
            ended = await self._run_calls(step)
            if ended:
                return ended

    def body(self) -> dict[str, Any]:
        """What the model server is asked next."""
        return self._asking.body(self._messages)

    async def _run_calls(self, step: Step) -> Reason | None:
        admitted = [call for call in step.calls if call.admitted]
        run = await self._calls.start(admitted)
        for call in step.calls:
            if call.name not in self._asking.client_tools and call.id not in self._calls.open_calls:
                self._messages.append(self._answer(call, run.runs.get(call.id)))
        self._show(run.runs.values())
        if self._calls.open_calls or any(call.name in self._asking.client_tools for call in step.calls):
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
            names = ", ".join([*self._asking.tools, *sorted(self._asking.client_tools)])
            return f"[not run: there is no tool {call.name[:_SHOWN_NAME]!r}; there are: {names}]"
        if self._guard.spent() == "max_steps":
            return "[not run: this was the last step]"
        if self._asking.one_call:
            return "[not run: one call at a time; send it again if it is still needed]"
        return f"[not run: the request allows {self._request.max_tool_calls} calls; answer with what you have]"


def _reason(finish: str | None) -> Reason:
    match finish:
        case "length" | "content_filter":
            return finish
        case _:
            return "stop"


def _as_images(figures: Sequence[str]) -> Message:
    images = [image_part(f"data:image/png;base64,{figure}") for figure in figures]
    return {"role": "user", "content": [text_part("[the figures that the code has shown]"), *images]}
