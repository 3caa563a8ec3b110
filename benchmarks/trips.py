"""The row about round trips: a question that needs several calls of Python, asked from far away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import insitu

from . import model, ways
from .bench import Bench
from .children import child
from .measure import CellRow, Effort, Goal, Row, percentile, repeat, timed
from .model import AT_ONCE, FAST, SLOW, Speed
from .servers import Connection, Server, running_server

# Of one cell: as many rounds as begin within it, and at least one.
_CELL_S = 4.0
_ROUNDS = 5
_LONG_CALL_S = 0.2
# What a single answer may take at the usual number of samples; more is left out in proportion.
_LONGEST_S = 40.0
GOAL = 3.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One question at one distance."""

    speed: Speed
    away_ms: float
    calls: int

    @property
    def longest_s(self) -> float:
        """About how long the slowest way takes, with two round trips for each call."""
        return (self.calls + 1) * self.speed.call_s + (2 * self.calls + 2) * self.away_ms / 1000

    @property
    def side_by_side(self) -> bool:
        """Whether the model needs so long that the ways can be tried at the same time without being in each other's."""
        return self.speed.call_s >= _LONG_CALL_S


CELLS = (
    *(Cell(AT_ONCE, 80, calls) for calls in (1, 3, 10, 30)),
    *(Cell(AT_ONCE, away_ms, 10) for away_ms in (20, 200)),
    *(Cell(FAST, 80, calls) for calls in (1, 3, 10, 30)),
    *(Cell(FAST, away_ms, 10) for away_ms in (20, 200)),
    *(Cell(SLOW, 80, calls) for calls in (1, 3, 10, 30)),
)


@dataclass(frozen=True, slots=True)
class Ends:
    """The ports that lead to the model's server and to insitu, both as far away as each other."""

    model: int
    insitu: int

    @contextmanager
    def loop_here(self) -> Iterator[ways.Ask]:
        """The client-side loop with a sandbox of the client's own."""
        with ways.client_of(self.model) as client, ways.own_sandbox() as run:
            yield lambda question: ways.by_python_loop(client, question, run)

    @contextmanager
    def loop_hosted(self) -> Iterator[ways.Ask]:
        """The client-side loop with a sandbox that is hosted, as far away as the model."""
        with ways.client_of(self.model) as client, ways.hosted_sandbox(self.insitu) as run:
            yield lambda question: ways.by_python_loop(client, question, run)

    @contextmanager
    def one_request(self) -> Iterator[ways.Ask]:
        """One request to insitu."""
        with ways.client_of(self.insitu) as client:
            yield lambda question: ways.by_insitu(client, question)


WAYS = {"here": Ends.loop_here, "hosted": Ends.loop_hosted, "insitu": Ends.one_request}
_NAMES = {"here": "loop, own sandbox", "hosted": "loop, hosted sandbox", "insitu": "insitu"}


class TripsRow(CellRow):
    """A row whose table has a line for each question, and a column for each way."""

    def note(self, cell: Cell, samples: dict[str, list[float]]) -> None:
        """Add what a question took by each way."""
        about = f"{cell.speed.about}, {cell.away_ms:g} ms away, calls: {cell.calls}"
        for way, ms in samples.items():
            self.add(f"{about}: {_NAMES[way]}", ms, concurrency=len(samples) if cell.side_by_side else 1)
        medians = {way: percentile(ms, 50) for way, ms in samples.items()}
        gains = {way: medians[way] / medians["insitu"] for way in ("here", "hosted")}
        goals = [Goal("p50", GOAL, at_most=False)] if (cell.calls, cell.away_ms) == (10, 80) else []
        for way, gain in gains.items():
            self.add(f"{about}: gain over the {_NAMES[way]}", [gain], unit="ratio", goals=goals)
        self.cells.append(
            {
                "model": cell.speed.name,
                "about": cell.speed.about,
                "first_token_s": cell.speed.first_token_s,
                "tokens_per_s": cell.speed.tokens_per_s,
                "away_ms": cell.away_ms,
                "calls": cell.calls,
                "n": len(samples["insitu"]),
                **{f"{way}_ms": round(ms, 1) for way, ms in medians.items()},
                **{f"gain_{way}": round(gain, 2) for way, gain in gains.items()},
            }
        )


def round_trips(bench: Bench) -> Row:
    """What one request saves."""
    row = TripsRow(
        "trips",
        "Round trips: a question that needs several calls of Python, asked from far away",
        "From asking to the end of the answer, the median. The client-side loop asks OpenAI's client for a chat "
        "completion after each call, and runs the code in an insitu.Sandbox of its own process, or in a session of an "
        "insitu server as far away as the model; either is there before the clock starts. insitu stands beside the "
        "model, makes its sandbox while the clock runs, and gets one request for a response, which it streams. Each "
        "question opens a connection, and keeps it. The link holds everything back for half a round trip each way, "
        "and what comes first on a connection for the handshake; it has no TLS, and bandwidth without end. The model "
        f"is a script: {AT_ONCE.about}; {FAST.about}; {SLOW.about}. A call of Python is {model.TOKENS_PER_CALL} "
        "tokens. Ways take turns; beside the slow model they go side by side.",
        layers=bench.server_layers,
    )
    asked = _affordable(bench.effort)
    for away_ms in sorted({cell.away_ms for cell in asked}):
        trips_ms = _round_trip(away_ms, bench.server.port, bench.effort.n(10))
        row.add(f"the link of {away_ms:g} ms: GET /healthz", trips_ms)
    with insitu.Sandbox():  # one that stays, so that those of the questions find an engine that runs
        for speed, cells in groupby(asked, key=lambda cell: cell.speed):
            with child("model", speed.first_token_s, speed.tokens_per_s) as port:
                with running_server("--upstream", f"http://127.0.0.1:{port}/v1") as server:
                    for way in WAYS:  # what is asked first finds everything cold
                        _one(Cell(speed, 0, 1), Ends(port, server.port), way)
                    _measure(row, list(cells), port, server, bench.effort)
    return row


def _affordable(effort: Effort) -> Sequence[Cell]:
    found = [cell for cell in CELLS if cell.longest_s <= _LONGEST_S * effort.scale]
    return found or CELLS[:1]


def _measure(row: TripsRow, cells: Sequence[Cell], model_port: int, server: Server, effort: Effort) -> None:
    for away_ms, there in groupby(cells, key=lambda cell: cell.away_ms):
        with child("link", away_ms, model_port, server.port) as ports:
            for cell in there:
                row.note(cell, _samples(cell, Ends(*ports), effort.n(_ROUNDS)))


def _round_trip(away_ms: float, port: int, n: int) -> list[float]:
    with child("link", away_ms, port) as (far,), Connection(far) as connection:
        connection.request("GET", "/healthz")
        return [timed(lambda: connection.request("GET", "/healthz")) for _ in range(n)]


def _samples(cell: Cell, ends: Ends, rounds: int) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {way: [] for way in WAYS}
    with ThreadPoolExecutor(len(WAYS) if cell.side_by_side else 1) as threads:
        for _ in repeat(rounds, _CELL_S):
            for way, ms in zip(WAYS, threads.map(partial(_one, cell, ends), WAYS), strict=True):
                samples[way].append(ms)
    return samples


def _one(cell: Cell, ends: Ends, way: str) -> float:
    with WAYS[way](ends) as ask:
        return timed(lambda: _ask(ask, cell.calls))


def _ask(ask: Callable[[str], str], calls: int) -> None:
    said = ask(model.question(calls))
    if said != model.right_answer(calls):
        raise RuntimeError(f"asked to count to {calls}, the model was told something else: {said}")
