"""A model that looks up many things and adds them up: ``python -m benchmarks.fanout_model FIRST_TOKEN_S TOKENS_PER_S``.

It does so as it is offered: by a program if there is Python, else by calls, one at a time if there are to be no
parallel ones. ``GET /v1/counts`` tells the tokens of each request since it was last asked, those read and written.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable

from tests.support.connection import Connection
from tests.support.model import Json, Received, Step, call, say

from .model import CHARS_PER_TOKEN, TimedModel, serve

_GATHER = (
    "import asyncio\nfound = await asyncio.gather(*[tools.{tool}.aio(number=n) for n in range({n})])\nprint({total})"
)
_TOTALS = {"look_up": "sum(found)", "look_up_order": 'sum(order["amount"] for order in found)'}


def question(tool: str, n: int) -> str:
    """What is to be asked."""
    return f"Call {tool} for the orders 0 to {n - 1}, and add up their amounts."


def right_answer(total: int) -> str:
    """What the model then says, if it was told what the tool gives."""
    return f"The total is {total}."


def answer(body: Json) -> Step:
    """The next step of a transcript."""
    messages = body["messages"]
    asked = next(json.dumps(message["content"]) for message in messages if message["role"] == "user")
    tool, last = re.findall(r"Call (\w+) for the orders 0 to (\d+)", asked)[0]
    given = [message["content"] for message in messages if message["role"] == "tool"]
    n = int(last) + 1
    if any(offered["function"]["name"] == "python" for offered in body["tools"]):
        program = _GATHER.format(tool=tool, n=n, total=_TOTALS[tool])
        return say(right_answer(int(given[0]))) if given else call(("python", {"code": program}))
    if len(given) == n:
        return say(right_answer(sum(_amount(json.loads(each)) for each in given)))
    numbers = range(len(given), n if body["parallel_tool_calls"] else len(given) + 1)
    return call(*((tool, {"number": number}) for number in numbers))


def tokens_read(body: Json) -> int:
    """Of a request: the tools as JSON, and its messages, whose roles are one token each."""
    offered = json.dumps(body["tools"], ensure_ascii=False, separators=(",", ":"))
    return _tokens(offered) + sum(1 + _of_message(message) for message in body["messages"])


def tokens_written(step: Step) -> int:
    """Of an answer; the model takes its time for as many."""
    return _tokens(step.text or "") + _of_calls(made.arguments for made in step.calls)


class CountingModel(TimedModel):
    """Counts what it reads and writes."""

    def __init__(self, first_token_s: float, tokens_per_s: float) -> None:
        super().__init__(first_token_s, tokens_per_s)
        self._counts: list[tuple[int, int]] = []

    async def _answer(self, connection: Connection, received: Received) -> None:
        if received.path != "/v1/counts":
            await super()._answer(connection, received)
            return
        counts, self._counts = self._counts, []
        self.requests.clear()
        await connection.respond(200, {"content-type": "application/json"}, json.dumps(counts).encode())

    async def _give(self, connection: Connection, step: Step, body: Json) -> None:
        if step.status == 200:
            self._counts.append((tokens_read(body), tokens_written(step)))
        await super()._give(connection, step, body)


def _amount(found: int | Json) -> int:
    return found if isinstance(found, int) else int(found["amount"])


def _tokens(text: str) -> int:
    return -(-len(text) // CHARS_PER_TOKEN)


def _of_message(message: Json) -> int:
    content = message.get("content") or ""
    said = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return _tokens(said) + _of_calls(made["function"]["arguments"] for made in message.get("tool_calls") or ())


def _of_calls(arguments: Iterable[str]) -> int:
    return sum(1 + _tokens(each) for each in arguments)  # the name is one


if __name__ == "__main__":
    serve(CountingModel(float(sys.argv[1]), float(sys.argv[2])), answer)
