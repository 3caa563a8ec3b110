"""The row about what insitu itself adds to each step of a turn."""

from __future__ import annotations

import http.client
import json
from itertools import pairwise
from typing import Any

from . import model, ways
from .bench import Bench
from .children import child
from .measure import Goal, Row, repeat, timed
from .model import AT_ONCE, FAST, Speed
from .servers import Connection, running_server

_CALLS = 10
_GOAL = Goal("p50", 5)
Spans = list[tuple[float, float]]


def added(bench: Bench) -> Row:
    """The time of a turn that neither the model nor the code takes."""
    row = Row(
        "step",
        "What a turn adds to each step, beside the model and the code",
        f"Turns of {_CALLS} calls, each a line that takes Python microseconds; the model notes when it has read a "
        "request and when it has answered it. Of a whole turn: from the client's request to the end of its stream, "
        "without the model's time, divided by the calls of the model; so what a turn needs once (the response, its "
        "sandbox, what is stored) and the client's own reading are in it. Between two calls of the model: from the "
        "end of one answer to the next request, with the execution. A model that answers at once writes all tokens in "
        f"one go, and they are read when it has done so; of {FAST.about}, each is read before the next is there. The "
        "floor is a client that only reads the stream and sends the next request, and runs nothing.",
        layers=bench.server_layers,
    )
    _add(row, AT_ONCE, bench.effort.n(100), [_GOAL])
    _add(row, FAST, bench.effort.n(10), [])
    return row


def _add(row: Row, speed: Speed, n: int, goals: list[Goal]) -> None:
    turns_ms, between_ms, floor_ms = [], [], []
    with (
        child("model", speed.first_token_s, speed.tokens_per_s) as port,
        running_server("--upstream", f"http://127.0.0.1:{port}/v1") as server,
        ways.client_of(server.port) as client,
        Connection(port) as at_model,
    ):
        ways.by_insitu(client, model.question(_CALLS))  # finds everything cold
        _spans(at_model)
        for _ in repeat(n):
            wall_ms = timed(lambda: ways.by_insitu(client, model.question(_CALLS)))
            spans = _spans(at_model)
            _bare_loop(port)
            turns_ms.append((wall_ms - _model_ms(spans)) / len(spans))
            between_ms += _gaps_ms(spans)
            floor_ms += _gaps_ms(_spans(at_model))
    floor = f"{speed.name}: floor, a bare client"
    row.add(f"{speed.name}: of a whole turn", turns_ms, goals=goals)
    row.add(f"{speed.name}: between two calls", between_ms, floor=floor)
    row.add(floor, floor_ms)


def _spans(connection: Connection) -> Spans:
    spans: Spans = json.loads(connection.request("GET", "/v1/spans"))
    return spans


def _model_ms(spans: Spans) -> float:
    return sum(end - begin for begin, end in spans) * 1000


def _gaps_ms(spans: Spans) -> list[float]:
    return [(begin - end) * 1000 for (_, end), (begin, _) in pairwise(spans)]


def _bare_loop(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    messages: list[Any] = [{"role": "user", "content": model.question(_CALLS)}]
    for number in range(_CALLS + 1):
        body = json.dumps({"model": "scripted", "stream": True, "messages": messages})
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        function = {"name": "python", "arguments": model.ARGUMENTS}
        calls = [{"id": f"call_{number}", "type": "function", "function": function}]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": f"call_{number}", "content": str(number + 1)})
    connection.close()
