"""The row about what insitu itself adds to each step of a turn."""

from __future__ import annotations

import http.client
import json
import time
from itertools import pairwise
from typing import Any

from . import model, ways
from .bench import Bench
from .children import child
from .measure import Goal, Row, ms_since, repeat
from .servers import Connection, running_server

_CALLS = 10
_GOAL = Goal("p50", 5)
Spans = list[tuple[float, float]]


def added(bench: Bench) -> Row:
    """The time of a turn that neither the model nor the code takes."""
    row = Row(
        "step",
        "What a turn adds to each step, beside the model and the code",
        f"Turns of {_CALLS} calls, each a line that takes Python a few microseconds, with a model that answers at once "
        "and notes when it has read a request and when it has answered it. Of a whole turn: from the client's request "
        "to the end of its stream, without the model's time, divided by the calls of the model; so what a turn needs "
        "once (the response, its sandbox, what is stored, the client's own reading) is in it. Between two "
        "calls of the model: from the end of one answer to the next request, with the code in between. The floor is a "
        "client that only reads the stream and sends the next request, and runs nothing.",
        layers=bench.server_layers,
    )
    turns_ms, between_ms, floor_ms = [], [], []
    with child("model", 0, 0) as port, running_server("--upstream", f"http://127.0.0.1:{port}/v1") as server:
        with ways.client_of(server.port) as client, Connection(port) as at_model:
            for number in repeat(bench.effort.n(100) + 1):
                begun = time.perf_counter()
                ways.by_insitu(client, model.question(_CALLS))
                wall_ms = ms_since(begun)
                spans = _spans(at_model)
                _bare_loop(port)
                floor = _spans(at_model)
                if number:  # the first turn finds everything cold
                    turns_ms.append((wall_ms - _model_ms(spans)) / len(spans))
                    between_ms += _gaps_ms(spans)
                    floor_ms += _gaps_ms(floor)
    row.add("of a whole turn", turns_ms, goals=[_GOAL])
    row.add("between two calls of the model", between_ms, floor="floor: a bare client, between two calls")
    row.add("floor: a bare client, between two calls", floor_ms)
    return row


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
