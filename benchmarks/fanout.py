"""The row about fan-outs: a question that needs many calls of a tool that takes its time, asked from far away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from . import fanout_model
from .bench import Bench
from .children import child
from .fanout_ways import WAYS, Question, Way
from .lookup import LATENCY_S, amount_of, order
from .measure import CellRow, Effort, Row, percentile, repeat, timed
from .model import AT_ONCE, FAST, Speed
from .servers import Connection, running_server
from .ways import client_of

CALLS = 20
AWAY_MS = 80
_ROUNDS = 3
# What one round of a question may take at the usual number of samples; more is left out in proportion.
_LONGEST_S = 40.0
# What is asked once, as it takes so long that a moment more or less does not matter.
_ONCE = "steps"
_RESULTS = {"look_up": "a number", "look_up_order": "a record"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One question to one model."""

    speed: Speed
    tool: str

    @property
    def longest_s(self) -> float:
        """About how long the slowest way takes."""
        return (CALLS + 1) * (AWAY_MS / 1000 + self.speed.call_s) + CALLS * LATENCY_S


# What a tool gives is a matter of tokens, and hardly one of time.
CELLS = (Cell(AT_ONCE, "look_up"), Cell(AT_ONCE, "look_up_order"), Cell(FAST, "look_up_order"))


@dataclass(slots=True)
class Asked:
    """What came of a question by one way.

    Args:
        counts: of each step of the model, the tokens that it read and wrote.
    """

    ms: list[float] = field(default_factory=list)
    requests: int = 0
    counts: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ends:
    """The ports that lead to the model's server and to insitu, and the one of the model itself."""

    model: int
    insitu: int
    counter: int

    def ask(self, way: Way, question: Question, asked: Asked) -> None:
        """Ask once, and note what came of it.

        Raises:
            RuntimeError: if the answer is wrong.
        """
        with client_of(self.insitu if way.at == "insitu" else self.model) as client:
            asked.ms.append(timed(lambda: _ask(way, client, question, asked)))
        with Connection(self.counter) as connection:
            asked.counts = [(read, written) for read, written in json.loads(connection.request("GET", "/v1/counts"))]


class FanoutRow(CellRow):
    """A row whose table has a line for each way to have a question answered."""

    def note(self, cell: Cell, by_way: dict[str, Asked]) -> None:
        """Add what a question took by each way."""
        slowest = percentile(by_way[_ONCE].ms, 50)
        for name, asked in by_way.items():
            result = _RESULTS[cell.tool]
            self.add(f"{cell.speed.about}, the tool gives {result}: {WAYS[name].label}", asked.ms)
            median = percentile(asked.ms, 50)
            self.cells.append(
                {
                    "model": cell.speed.name,
                    "about": cell.speed.about,
                    "away_ms": AWAY_MS,
                    "calls": CALLS,
                    "latency_ms": round(LATENCY_S * 1000),
                    "result": result,
                    "way": name,
                    "label": WAYS[name].label,
                    "requests": asked.requests,
                    "steps": len(asked.counts),
                    "prompt_tokens": sum(read for read, _ in asked.counts),
                    "completion_tokens": sum(written for _, written in asked.counts),
                    "ms": round(median, 1),
                    "gain": round(slowest / median, 2),
                    "n": len(asked.ms),
                }
            )


def fan_out(bench: Bench) -> Row:
    """What a program saves that calls a tool many times."""
    size = len(json.dumps(order(0)))
    row = FanoutRow(
        "fanout",
        f"Fan-out: {CALLS} calls of a tool that takes {LATENCY_S * 1000:g} ms, {AWAY_MS} ms away",
        f"The question needs {CALLS} calls of one tool, and their sum. From asking to the end of the answer, the "
        "median. The client-side loop is OpenAI's client with chat completions and a function of its own, with a "
        "model that makes one call per step (parallel_tool_calls: false), or all in one step, which the client runs "
        "side by side. insitu gets a request for a response, whose model writes one program with asyncio.gather: it "
        "calls a tool of the server's (--tools), or the client's own function, for which it pauses until a second "
        f"request brings all answers. The tool is the same function of Python in all ways, and gives a number, or a "
        f"record of {size} characters as JSON. Steps are the calls of the model, requests those of the client. Tokens "
        "are what the model counts of all that it was sent and has written, 4 characters each, summed over the "
        "steps, without a cache. The link and the models are those of the round trips. Ways take turns; the first "
        "one is asked once.",
        layers=bench.server_layers,
    )
    asked = _affordable(bench.effort)
    for speed, cells in groupby(asked, key=lambda cell: cell.speed):
        with (
            child("fanout_model", speed.first_token_s, speed.tokens_per_s) as port,
            running_server("--upstream", f"http://127.0.0.1:{port}/v1", "--tools", "benchmarks.lookup") as server,
            child("link", AWAY_MS, port, server.port) as (far_model, far_insitu),
        ):
            for way in WAYS.values():  # what is asked first finds everything cold
                Ends(port, server.port, port).ask(way, Question("look_up", 1), Asked())
            ends = Ends(far_model, far_insitu, port)
            for cell in cells:
                row.note(cell, _samples(ends, Question(cell.tool, CALLS), bench.effort.n(_ROUNDS)))
    return row


def _affordable(effort: Effort) -> Sequence[Cell]:
    return [cell for cell in CELLS if cell.longest_s <= _LONGEST_S * effort.scale] or CELLS[:1]


def _samples(ends: Ends, question: Question, rounds: int) -> dict[str, Asked]:
    by_way = {name: Asked() for name in WAYS}
    for number in repeat(rounds):
        for name, way in WAYS.items():
            if number == 0 or name != _ONCE:
                ends.ask(way, question, by_way[name])
    return by_way


def _ask(way: Way, client: Any, question: Question, asked: Asked) -> None:
    told = way.ask(client, question)
    total = sum(map(amount_of, range(question.n)))
    if told.text != fanout_model.right_answer(total):
        raise RuntimeError(f"{way.label}: the total is {total}, and the model was told something else: {told.text}")
    asked.requests = told.requests
