"""A few counters in Prometheus' text format; a library for them would be larger than the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

Sample = tuple[str, int]


@dataclass(slots=True)
class Metrics:
    """What the server counts.

    Args:
        requests: answers by method and status; 499 is a client that left before its answer.
        executions: executions that ended, by outcome.
        running: executions that were asked for and have not ended: those that wait are among them.
    """

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    executions: Counter[str] = field(default_factory=Counter)
    running: int = 0

    def text(self, *, idle: int, busy: int, ready: bool) -> str:
        """All of it, with what only the engine knows, in the text format."""
        requests = [
            (f'{{method="{method}",status="{status}"}}', count)
            for (method, status), count in self.requests.items()
        ]
        outcomes = [(f'{{outcome="{outcome}"}}', count) for outcome, count in self.executions.items()]
        sessions = [('{state="idle"}', idle), ('{state="busy"}', busy)]
        return "".join(
            (
                _family("requests_total", "counter", "Answers by method and status.", requests),
                _family("executions_total", "counter", "Executions that ended, by outcome.", outcomes),
                _family("executions", "gauge", "Executions waiting or running.", [("", self.running)]),
                _family("sessions", "gauge", "Sessions alive, by state.", sessions),
                _family("ready", "gauge", "1 when the server takes executions.", [("", int(ready))]),
            )
        )


def _family(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> str:
    head = f"# HELP insitu_{name} {meaning}\n# TYPE insitu_{name} {kind}\n"
    return head + "".join(f"insitu_{name}{labels} {value}\n" for labels, value in samples)
