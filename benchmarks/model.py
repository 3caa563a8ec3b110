"""A model of a chosen speed: ``python -m benchmarks.model FIRST_TOKEN_S TOKENS_PER_S``; 0 a second: all at once.

It writes Python as often as the question has it, each time the same short line, and then says what the last one gave.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support.connection import Connection
from tests.support.model import Json, Received, ScriptedModel, Step, call, say

from .children import tell

# It counts what it has itself run before, so that an answer is right only if all calls met the same interpreter.
ARGUMENTS = json.dumps({"code": "total = globals().get('total', 0) + 1\ntotal"})
CHARS_PER_TOKEN = 4
TOKENS_PER_CALL = -(-len(ARGUMENTS) // CHARS_PER_TOKEN)
_MOST_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a model is: seconds to the first token, and how many come in a second (0: all at once)."""

    name: str
    about: str
    first_token_s: float = 0.0
    tokens_per_s: float = 0.0

    @property
    def call_s(self) -> float:
        """How long it takes to call Python once."""
        return self.first_token_s + (TOKENS_PER_CALL / self.tokens_per_s if self.tokens_per_s else 0)


AT_ONCE = Speed("at once", "a model that answers at once")
FAST = Speed("fast", "a fast model: 20 ms, then 200 tokens a second", 0.02, 200)
SLOW = Speed("slow", "a slow model: 300 ms, then 60 tokens a second", 0.3, 60)


def question(calls: int) -> str:
    """What is to be asked for so many calls."""
    return f"Count to {calls} in Python, one call for each number."


def right_answer(calls: int) -> str:
    """What the model then says if every call did what it should."""
    return f"The total is {calls}."


class TimedModel(ScriptedModel):
    """Notes when it has read each request and when it has answered it, which ``GET /v1/spans`` tells, once."""

    def __init__(self, first_token_s: float, tokens_per_s: float) -> None:
        super().__init__(first_token_s=first_token_s, tokens_per_s=tokens_per_s or None, piece=CHARS_PER_TOKEN)
        self._spans: list[tuple[float, float]] = []

    async def _answer(self, connection: Connection, received: Received) -> None:
        begun = time.perf_counter()
        if received.path == "/v1/spans":
            spans, self._spans = self._spans, []
            self.requests.clear()
            await connection.respond(200, {"content-type": "application/json"}, json.dumps(spans).encode())
        else:
            await super()._answer(connection, received)
            self._spans.append((begun, time.perf_counter()))


def answer(body: Json) -> Step:
    """The next step of a transcript."""
    asked = next(json.dumps(message["content"]) for message in body["messages"] if message["role"] == "user")
    given = [str(message["content"]) for message in body["messages"] if message["role"] == "tool"]
    if len(given) < int(re.findall(r"Count to (\d+)", asked)[0]):
        return call(("python", ARGUMENTS))
    return say(right_answer(int(re.findall(r"\d+", given[-1])[0])))


def serve(model: TimedModel, answer: Callable[[Json], Step]) -> None:
    """Answer until nobody asks any more."""
    with model:
        model.script(*itertools.repeat(answer, _MOST_STEPS))
        tell(urlsplit(model.url).port)


if __name__ == "__main__":
    serve(TimedModel(float(sys.argv[1]), float(sys.argv[2])), answer)
