"""A turn that follows the calls of its steps: to their end, or until they wait for the client."""

from __future__ import annotations

from collections.abc import Sequence

from ..engine import ToolFailure
from .held import StepRuns
from .resuming import Resumption
from .showing import Showing
from .step import Emit, ModelCall
from .steprun import StepRun

_NO_ROOM = ToolFailure("RuntimeError", "too much other code waits for the client's answers already")


class Following:
    """Starts the calls of one turn's steps, or goes on with those of an earlier turn, and hears of them.

    Args:
        emit: told of everything as it happens.
    """

    def __init__(self, runs: StepRuns, owner: str, emit: Emit) -> None:
        self._runs = runs
        self._owner = owner
        self._emit = emit
        self._showing = Showing()
        self._followed: StepRun | None = None
        self.open_calls: Sequence[str] = ()

    async def start(self, calls: Sequence[ModelCall]) -> StepRun:
        """Run calls; those that wait for the client in the end are the ``open_calls``."""
        return await self._follow(self._runs.start(self._owner, calls, self._showing), None)

    async def go_on(self, run: StepRun, resumption: Resumption) -> StepRun:
        """Give calls the answers that they wait for; then the same."""
        return await self._follow(run, resumption)

    def cancel(self) -> None:
        """End what is followed, though it has been paused before: it goes on only for a client that has left."""
        if self._followed is not None:
            self._followed.cancel()

    async def _follow(self, run: StepRun, resumption: Resumption | None) -> StepRun:
        try:
            async with run.attached(self._emit, resumption.open_calls if resumption else None):
                self._followed = run
                if resumption is not None:
                    await run.deliver(resumption.answers)
                while await run.wait():
                    if self._runs.hold(run):
                        run.pause()
                        self.open_calls = run.open_calls
                        break
                    await run.deliver(dict.fromkeys(run.waiting, _NO_ROOM))
        except BaseException:
            if not run.paused:
                run.cancel()
            raise
        self._followed = None
        return run
