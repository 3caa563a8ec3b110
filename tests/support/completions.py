"""Steps as a chat-completions server writes them: one JSON object, or the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.support.steps import Json, Step, encode

CREATED = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """A piece of a stream, which is there once so many tokens have followed the first."""

    tokens: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one request.

    Args:
        request: its body.
        ids: of the calls.
        piece: characters of an event.
    """

    step: Step
    request: Json
    id: str
    ids: Sequence[str]
    piece: int

    def whole(self) -> bytes:
        """The answer to a request that asked for no stream."""
        finish = None if self.step.ending == "unfinished" else self.step.finish_reason
        choice = {"index": 0, "message": self._message(), "logprobs": None, "finish_reason": finish}
        answer = self._head("chat.completion") | {"choices": [choice]}
        return encode(answer if self.step.usage is None else answer | {"usage": self.step.usage})

    def events(self) -> list[Event]:
        """The answer to a request that asked for one: all that is sent before the stream ends in the step's way."""
        tells = self.step.usage is not None and (self.request.get("stream_options") or {}).get("include_usage")
        head = self._head("chat.completion.chunk") | ({"usage": None} if tells else {})
        events = [_event(max(0, n - 1), head | _choice(delta)) for n, delta in enumerate(self._deltas())]
        last = self.tokens()
        if self.step.ending != "unfinished":
            events.append(_event(last, head | _choice({}, self.step.finish_reason)))
            if tells:
                events.append(_event(last, head | {"choices": [], "usage": self.step.usage}))
            events.append(Event(last, b"data: [DONE]\n\n"))
        return events[: self.step.after]

    def tokens(self) -> int:
        """How many follow the first one."""
        return max(0, len(list(self._deltas())) - 2)

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": CREATED, "model": self.request.get("model")}

    def _message(self) -> Json:
        made: Json = {"role": "assistant", "content": self.step.text}
        if self.step.reasoning:
            made[self.step.reasoning_field] = self.step.reasoning
        if self.step.calls:
            made["tool_calls"] = [
                {**head, "function": {"name": call.name, "arguments": call.arguments}}
                for head, call in zip(self._call_heads(), self.step.calls, strict=True)
            ]
        return made

    def _deltas(self) -> Iterator[Json]:
        yield {"role": "assistant", "content": None if self.step.calls and not self.step.text else ""}
        yield from ({self.step.reasoning_field: part} for part in self._pieces(self.step.reasoning))
        yield from ({"content": part} for part in self._pieces(self.step.text or ""))
        for index, (head, call) in enumerate(zip(self._call_heads(), self.step.calls, strict=True)):
            if self.step.whole_calls:
                yield _called(0, head | {"function": {"name": call.name, "arguments": call.arguments}})
            else:
                yield _called(index, head | {"function": {"name": call.name, "arguments": ""}})
                yield from (_called(index, {"function": {"arguments": part}}) for part in self._pieces(call.arguments))

    def _call_heads(self) -> list[Json]:
        return [{"type": "function"} if self.step.no_ids else {"id": its, "type": "function"} for its in self.ids]

    def _pieces(self, text: str) -> Iterator[str]:
        return (text[start : start + self.piece] for start in range(0, len(text), self.piece))


def _called(index: int, call: Json) -> Json:
    return {"tool_calls": [{"index": index, **call}]}


def _choice(delta: Json, finish_reason: str | None = None) -> Json:
    return {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]}


def _event(tokens: int, chunk: Json) -> Event:
    return Event(tokens, b"data: " + encode(chunk) + b"\n\n")
