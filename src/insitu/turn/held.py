"""The steps whose code waits for a client between two requests, found again by the ids of their calls."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from anyio.abc import TaskGroup

from ..engine import Engine
from ..settings import Settings
from ..tools import Registry
from ..types import MIB
from .events import CallDone, Message
from .resuming import GONE, Resumption, last_calls
from .running import CallRunner
from .shares import Shares
from .showing import Showing
from .step import ModelCall
from .steprun import Runner, StepRun

# Of what has come of code that went on when its turn had ended: of whoever keeps the most, the oldest goes first.
_MOST_BYTES = 64 * MIB


class StepRuns:
    """All steps that are run on this server.

    Args:
        tasks: where they run.
    """

    def __init__(self, settings: Settings, engine: Engine, registry: Registry, tasks: TaskGroup) -> None:
        self._settings = settings
        self._engine = engine
        self._registry = registry
        self._tasks = tasks
        self._held: dict[str, StepRun] = {}
        self._live: set[StepRun] = set()
        self._ended: dict[StepRun, float] = {}
        self._shares: Shares[StepRun] = Shares()

    def __len__(self) -> int:
        return len(self._live)

    def start(self, owner: str, calls: Sequence[ModelCall], showing: Showing) -> StepRun:
        """Start the calls of a step."""
        run = StepRun(owner, calls)
        runner = CallRunner(self._engine, self._registry, run, self._settings.tool_output_chars, showing)
        self._tasks.start_soon(self._perform, run, runner)
        return run

    async def _perform(self, run: StepRun, runner: Runner) -> None:
        try:
            await run.perform(runner)
        finally:
            if run in self._live:
                self._live.discard(run)
                self._keep(run)

    def _keep(self, run: StepRun) -> None:
        size = sum(_size(each.done) for each in run.runs.values())
        self._ended[run] = time.monotonic()
        # So that there are never more of them than turns may run.
        self._shares.add(run, max(size, _MOST_BYTES // self._settings.max_turns))
        self.forget_old()

    def hold(self, run: StepRun) -> bool:
        """Keep a step that waits for its client, so that it is found again; False if there is no room for it."""
        if run not in self._live:
            mine = sum(each.owner == run.owner for each in self._live)
            if mine >= self._settings.max_turns_per_owner or len(self._live) >= self._settings.max_turns:
                return False
        self._live.add(run)
        self._held |= dict.fromkeys(run.callers, run)
        return True

    def find(self, owner: str, call_id: str) -> StepRun | None:
        """The step of a call, or of one that its code has made; None if it is gone, or someone else's."""
        run = self._held.get(call_id)
        return run if run is not None and run.owner == owner else None

    def caller(self, owner: str, call_id: str) -> ModelCall | None:
        """The call of the model's whose code has made a call, if that is known."""
        run = self.find(owner, call_id)
        return run.callers[call_id] if run else None

    def resume(
        self, owner: str, messages: Sequence[Message], open_calls: Sequence[str], answers: Mapping[str, object]
    ) -> Resumption:
        """What to go on with.

        Args:
            open_calls: calls of the model's that the transcript has no output of.
            answers: all answers of the client's in the transcript, to calls that code made.
        """
        outputs: dict[str, str] = {}
        mine: list[str] = []
        run: StepRun | None = None
        last = last_calls(messages)
        for call_id in open_calls:
            found = self.find(owner, call_id)
            if found is not None and call_id in last:
                run = found
                mine.append(call_id)
            else:
                outputs[call_id] = found.runs[call_id].done.told if found and call_id in found.runs else GONE
        return Resumption(run, mine, answers, outputs)

    def forget_old(self) -> None:
        """Forget what has ended long ago, or is too much to keep."""
        oldest = time.monotonic() - self._settings.tool_wait_s
        for run in [run for run, ended in self._ended.items() if ended <= oldest]:
            self._shares.discard(run)
            self._forget(run)
        for run in self._shares.surplus(_MOST_BYTES):
            self._forget(run)

    def _forget(self, run: StepRun) -> None:
        del self._ended[run]
        for call_id in run.callers:
            self._held.pop(call_id, None)

    def cut(self) -> None:
        """End what waits for a client: the server stops."""
        for run in self._live:
            run.cancel()


def _size(done: CallDone) -> int:
    shown = sum(len(each.stdout) + len(each.stderr) for each in done.executions)
    results = sum(len(text) for each in done.executions for result in each.results for text in result.data.values())
    edited = done.edit.chars if done.edit else 0
    return len(done.told) + edited + shown + results + sum(map(len, done.figures))
