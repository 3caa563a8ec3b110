"""An answer in Google's form: parts, and the envelopes that carry them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ...output import output_of
from ...store import new_id
from ...turn import events as on
from ...turn.arguments import valid_arguments
from ...web.shapes import Json
from .signatures import signature

_FINISH: dict[on.Reason, str] = {
    "stop": "STOP",
    "client_tools": "STOP",
    "length": "MAX_TOKENS",
    "max_tokens": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "max_steps": "TOO_MANY_TOOL_CALLS",
    "repeated_error": "TOO_MANY_TOOL_CALLS",
}
_OUTCOMES = {"ok": "OUTCOME_OK", "timeout": "OUTCOME_DEADLINE_EXCEEDED"}


class ContentAnswer:
    """The answer to one request: takes what happens in its turn, and gives the parts that tell of it.

    Args:
        shows_thoughts: whether the model's reasoning is told.
    """

    def __init__(self, model: str, *, shows_thoughts: bool) -> None:
        self.id = new_id("")
        self.files: dict[str, on.MadeFile] = {}
        self.shown: set[str] = set()
        self._model = model
        self._shows_thoughts = shows_thoughts
        self._unsaid: dict[str, str] = {}
        self._signature: Json = {}

    def parts(self, event: on.TurnEvent) -> list[Json]:
        """The parts that an event adds."""
        match event:
            case on.TextDelta():
                return [{"text": event.text}]
            case on.ReasoningDelta() if self._shows_thoughts:
                return [{"text": event.text, "thought": True}]
            case on.CallStarted():
                self._unsaid[event.id] = ""
            case on.CallWritten():
                self._unsaid[event.id] = event.arguments["code"]
            case on.CallRunning():
                self._signature = {"thoughtSignature": signature(event.container_id)}
                return [self._code(event.id) | self._signature]
            case on.CallDone():
                return self._done(event)
            case on.ClientCallDone():
                arguments = json.loads(valid_arguments(event.arguments))
                return [self.signed({"functionCall": {"id": event.id, "name": event.name, "args": arguments}})]
        return []

    def _code(self, call_id: str) -> Json:
        return {"executableCode": {"language": "PYTHON", "code": self._unsaid.pop(call_id), "id": call_id}}

    def _done(self, event: on.CallDone) -> list[Json]:
        # What was never run is told all the same, with the reason.
        unsaid = [self._code(event.id)] if event.id in self._unsaid else []
        self.files.update({file.path: file for file in event.files})
        figures = [{"inlineData": {"mimeType": "image/png", "data": figure}} for figure in event.figures]
        self.shown.update(event.figures)
        return [*unsaid, {"codeExecutionResult": {**_result(event), "id": event.id}}, *figures]

    @property
    def last_part(self) -> Json:
        """An empty text for the end: clients that drop the signatures of code keep those of text."""
        return self.signed({"text": ""})

    def signed(self, part: Json) -> Json:
        """A part with what the sandbox is found again by, where code has run."""
        return {**part, **self._signature}

    def envelope(self, parts: Sequence[Json], result: on.TurnResult | None = None) -> Json:
        """Parts as clients get them.

        Args:
            result: how the turn ended, if it has.
        """
        candidate: Json = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
        envelope: Json = {"candidates": [candidate], "modelVersion": self._model, "responseId": self.id}
        if result is not None:
            candidate["finishReason"] = _FINISH.get(result.reason, "OTHER")
            if result.reason not in ("stop", "client_tools", "length"):
                candidate["finishMessage"] = f"insitu: {result.reason}"
            envelope["usageMetadata"] = usage(result.usage)
        return envelope

    def whole(self, parts: Sequence[Json], result: on.TurnResult) -> Json:
        """All of it at once."""
        return self.envelope(_signed(_joined(parts), self._signature), result)


def usage(used: on.TurnUsage) -> Json:
    """The tokens of all model calls together."""
    return {
        "promptTokenCount": used.input_tokens,
        "candidatesTokenCount": used.output_tokens - used.reasoning_tokens,
        "thoughtsTokenCount": used.reasoning_tokens,
        "cachedContentTokenCount": used.cached_tokens,
        "totalTokenCount": used.total_tokens,
    }


def _result(event: on.CallDone) -> Json:
    execution = event.execution
    if event.failure is not None or execution is None:
        return {"outcome": "OUTCOME_FAILED", "output": event.told}
    return {"outcome": _OUTCOMES.get(execution.outcome, "OUTCOME_FAILED"), "output": output_of(execution)}


def _joined(parts: Sequence[Json]) -> list[Json]:
    """Parts of an answer that is not streamed: text that follows text is one."""
    joined: list[Json] = []
    for part in parts:
        last = joined[-1] if joined else {}
        if "text" in part and "text" in last and part.get("thought") == last.get("thought"):
            joined[-1] = {**last, "text": last["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


def _signed(parts: list[Json], signed: Json) -> list[Json]:
    """The same with the signature where all clients keep it, in an empty text if there is no such place."""
    place = next((place for place, part in reversed(list(enumerate(parts))) if _keeps_signatures(part)), None)
    if place is None:
        return [*parts, {"text": "", **signed}]
    return [*parts[:place], parts[place] | signed, *parts[place + 1 :]]


def _keeps_signatures(part: Json) -> bool:
    return ("text" in part and not part.get("thought")) or "functionCall" in part
