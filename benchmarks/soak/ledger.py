"""What was killed and when, and what may therefore go wrong: anything else that does is a breach."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from insitu.errors import InsituError, SandboxFailed, ServerUnreachable, SessionNotFound
from insitu.types import Execution, Outcome

# A server of a busy machine notices a death so late at the latest.
GRACE_S = 2.0
# Processes that take every sandbox with them; and those that take their own.
_ALL, _OWN = frozenset({"init", "supervisor"}), frozenset({"agent", "interpreter"})
_ANY = _ALL | _OWN | {"zygote"}
_MOST_TEXT = 800
now = time.monotonic


class Wrong(Exception):
    """Raised when an answer is not what it has to be, and nothing that was killed explains it."""


class Excused(Exception):
    """Raised when an answer is a clear error, and something that it depends on was killed."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that was killed; ``namespace`` is its sandbox's, or empty."""

    at: float
    name: str
    pid: int
    namespace: str = ""


@dataclass(slots=True)
class Held:
    """A sandbox that is known by its pid namespace.

    Args:
        since: when it was asked for.
        checked: when its interpreter was last seen with its variables.
        ended: when it was given up.
        kept: whether it outlives the round that made it.
    """

    namespace: str
    since: float
    checked: float
    ended: float = float("inf")
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Breach:
    """Something that must not be; ``at`` is in seconds since the start."""

    at: float
    kind: str
    what: str


@dataclass(slots=True)
class Ledger:
    """All of a run.

    Args:
        on_breach: told of each at once.
    """

    on_breach: Callable[[Breach], None]
    begun: float = field(default_factory=now)
    kills: list[Kill] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    rounds: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    _held: list[Held] = field(default_factory=list)

    def breach(self, kind: str, what: str) -> None:
        """Note what must not be."""
        self.breaches.append(Breach(round(now() - self.begun, 2), kind, what))
        self.on_breach(self.breaches[-1])

    def hold(self, namespace: str, since: float) -> Held:
        """Note whose a sandbox is: its end then explains nobody else's troubles."""
        self._held.append(Held(namespace, since, since))
        return self._held[-1]

    def is_held(self, kill: Kill) -> bool:
        """Whether a process that was killed was of a sandbox that somebody holds."""
        return any(held.namespace == kill.namespace and held.since <= kill.at <= held.ended for held in self._held)


class Round:
    """One round of one kind of load.

    Args:
        held: sandboxes that it uses and knows.
        unnamed: whether it uses others, too.
    """

    def __init__(self, ledger: Ledger, kind: str, held: Held | None = None) -> None:
        self.kind = kind
        self.begun = now()
        self.held = [held] if held else []
        self.unnamed = held is None
        self._ledger = ledger

    def hold(self, namespace: str, since: float) -> Held:
        """Note that a sandbox is this round's."""
        held = self._ledger.hold(namespace, since)
        self.held.append(held)
        return held

    def close(self) -> None:
        """Give up what is not kept."""
        for held in self.held:
            if not held.kept:
                held.ended = min(held.ended, now())

    def struck(self, names: Collection[str] = _ANY) -> bool:
        """Whether one of these processes was killed that this round depends on."""
        return any(kill.name in names and self._depends_on(kill) for kill in self._ledger.kills)

    def _depends_on(self, kill: Kill) -> bool:
        if any(_concerns(kill, held) for held in self.held):
            return True
        if kill.at < self.begun - GRACE_S:
            return False
        return kill.name not in _OWN or (self.unnamed and not self._ledger.is_held(kill))

    def explains(self, error: InsituError) -> bool:
        """Whether an error is clear, and comes of a kill."""
        if isinstance(error, SandboxFailed):
            return self.struck()
        # A file that is on its way already can only be broken off.
        return isinstance(error, SessionNotFound | ServerUnreachable) and self.struck(_ALL | {"agent"})

    def expect(self, execution: Execution, outcome: Outcome, **attributes: object) -> None:
        """See that an execution ended as it should.

        Raises:
            Excused: if it did not, and its interpreter was killed.
            Wrong: if it did not for no good reason.
        """
        wrong = {name: value for name, value in attributes.items() if getattr(execution, name) != value}
        if execution.outcome == outcome and not wrong:
            return
        if not execution.state_kept and self.struck(_ALL | _OWN):
            raise Excused
        found = {name: getattr(execution, name) for name in wrong}
        raise Wrong(f"{execution.outcome} and not {outcome}, {found} and not {wrong}: {_shown(execution)}"[:_MOST_TEXT])

    def need(self, condition: bool, what: str) -> None:
        """See that something is so.

        Raises:
            Wrong: if not.
        """
        if not condition:
            raise Wrong(what[:_MOST_TEXT])


def _concerns(kill: Kill, held: Held) -> bool:
    since = held.checked if kill.name == "interpreter" else held.since
    mine = kill.namespace == held.namespace or kill.name in _ALL
    return mine and since <= kill.at <= held.ended


def _shown(execution: Execution) -> str:
    error = execution.error
    said = f"{error.name}: {error.value}" if error else "no error"
    return f"{said}; exit code {execution.exit_code}, stdout {execution.stdout[-200:]!r}, {execution.stderr[-200:]!r}"
