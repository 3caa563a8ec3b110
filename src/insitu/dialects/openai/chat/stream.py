"""An answer as a stream of chunks."""

from __future__ import annotations

from collections.abc import Callable

from ....turn.events import TurnEvent, TurnResult
from ....web.encoding import dumps
from ....web.shapes import Json
from ....web.sse import encode_unnamed
from .answer import ChatAnswer, finish_reason, usage

_DONE = encode_unnamed(b"[DONE]")


class ChatStream:
    """Writes an answer as the events of a stream.

    Args:
        tells_usage: whether the last one tells what it has cost.
        send: sends an event.
    """

    def __init__(self, answer: ChatAnswer, send: Callable[[bytes], None], *, tells_usage: bool) -> None:
        self._answer = answer
        self._tells_usage = tells_usage
        self._send = send
        self._begun = False

    def hear(self, event: TurnEvent) -> None:
        """Send what there is to tell of an event."""
        self._begin()
        if (delta := self._answer.hear(event)) is not None:
            self._chunk([_choice(delta)])

    async def end(self, result: TurnResult) -> None:
        """Send the end."""
        self._begin()
        for delta in self._answer.end(result):
            self._chunk([_choice(delta)])
        self._chunk([_choice({}, finish_reason(result.reason))])
        if self._tells_usage:
            self._chunk([], usage(result.usage))
        self._send(_DONE)

    def _begin(self) -> None:
        # Not before the model server has begun: until then a failure is a plain HTTP error.
        if not self._begun:
            self._begun = True
            self._chunk([_choice({"role": "assistant", "content": "", "refusal": None})])

    def _chunk(self, choices: list[Json], used: Json | None = None) -> None:
        answer = self._answer
        head = {"id": answer.id, "object": "chat.completion.chunk", "created": answer.created, "model": answer.model}
        chunk = {**head, "choices": choices, **({"usage": used} if self._tells_usage else {})}
        self._send(encode_unnamed(dumps(chunk)))


def _choice(delta: Json, finish: str | None = None) -> Json:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
