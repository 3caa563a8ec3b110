"""A few counters in Prometheus' text format; a library for them would be larger than the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Sample = tuple[str, int]

# What the engine tells of its load, and what it means.
GAUGES = {
    "sessions": "Sessions alive that clients know of.",
    "held": "Sandboxes alive that functions and maps hold.",
    "executions": "Executions waiting for room or running.",
    "paused": "Executions waiting for their clients' answers.",
    "sandboxes": "Sandboxes alive, with those that are kept ready.",
    "pool_ready": "Sandboxes kept ready.",
}


@dataclass(slots=True)
class Metrics:
    """What the server counts.

    Args:
        requests: answers by method and status; 499 is a client that left before its answer.
        executions: executions whose end was told to a client, by outcome.
    """

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    executions: Counter[str] = field(default_factory=Counter)

    def text(self, load: Mapping[str, int], *, ready: bool) -> str:
        """All of it, with what only the engine knows, in the text format."""
        requests = [
            (f'{{method="{method}",status="{status}"}}', count) for (method, status), count in self.requests.items()
        ]
        outcomes = [(f'{{outcome="{outcome}"}}', count) for outcome, count in self.executions.items()]
        gauges = [
            _family(name, "gauge", meaning, [("", load[name])]) for name, meaning in GAUGES.items() if name in load
        ]
        return "".join(
            (
                _family("requests_total", "counter", "Answers by method and status.", requests),
                _family("executions_total", "counter", "Executions answered, by outcome.", outcomes),
                *gauges,
                _family("ready", "gauge", "1 when the server takes executions.", [("", int(ready))]),
            )
        )


def _family(name: str, kind: str, meaning: str, samples: Iterable[Sample]) -> str:
    head = f"# HELP insitu_{name} {meaning}\n# TYPE insitu_{name} {kind}\n"
    return head + "".join(f"insitu_{name}{labels} {value}\n" for labels, value in samples)
