"""Invocations in the background: each is stored before it is accepted, and none is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from ..engine import Engine
from ..errors import EngineClosed, InsituError, NotFound, QuotaExceeded, ServerFull, StoreFailed
from ..settings import Settings
from ..types import FunctionRevision, Invocation
from .calling import Caller, Live, failed
from .gate import Gates
from .keeping import Kept, brief
from .queue import Queue, Waiting

_log = logging.getLogger("insitu.functions")
_POLL_S, _TAKE_OVER_S = 1.0, 60.0


class Background:
    """Runs what was accepted, as soon as there is room for it.

    Half of what may run at once is for what somebody waits for. What waits takes no time and no sandbox: it is looked
    at when a place becomes free. An owner's next one begins when the engine has let in the one before.
    """

    def __init__(
        self, settings: Settings, engine: Engine, kept: Kept, caller: Caller, gates: Gates, tasks: TaskGroup
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._kept = kept
        self._caller = caller
        self._gates = gates
        self._tasks = tasks
        self._queue = Queue(max(1, settings.max_executions // 2), max(1, settings.max_executions_per_owner // 2))
        self._live: dict[str, Live] = {}
        self._beginning: dict[str, Waiting] = {}
        self._refused: set[str] = set()
        self._stopped = False
        gates.listen(self._admit)

    async def accept(self, owner: str, revision: FunctionRevision, invocation: Invocation, request: bytes) -> None:
        """Store an invocation, and have it run.

        Raises:
            NotFound: if the revision is gone.
            QuotaExceeded: if too many wait, or the owner would store more than may be.
        """
        with anyio.CancelScope(shield=True):  # what is stored must be run, though nobody hears that it is
            await self._kept.invocations.accept(
                owner, invocation, revision.revision, request, self._settings.max_queued_invocations
            )
            self._enqueue(owner, revision, invocation)

    async def run(self) -> None:
        """Run what was accepted, and what servers have left that have died, as long as this one runs."""
        try:
            with self._engine.telling(self._room):
                while True:
                    await self._take_over()
                    self._room()  # a disk that failed sets no event when it works again
                    await anyio.sleep(_TAKE_OVER_S)
        finally:
            self._stopped = True

    def drop(self, revisions: Collection[str]) -> None:
        """Let those go that wait for revisions which are deleted; it is noted already that they do not run."""
        for waiting in self._queue.drop(revisions):
            self._end(waiting)

    async def wait(self, owner: str, id: str) -> Invocation:
        """An invocation, once it has ended; raises NotFound."""
        if (live := self._of(owner, id)) is not None:
            await live.done.wait()
        while True:
            found = await self._kept.invocations.get(owner, id)
            if found.state == "done":
                return found
            await anyio.sleep(_POLL_S)  # another server runs it

    async def events(self, owner: str, id: str) -> AsyncGenerator[tuple[str, Mapping[str, Any]]]:
        """What happens in an invocation, the last ``finished`` with all of it; raises NotFound."""
        live = self._of(owner, id)
        if live is not None:
            await live.begun.wait()
            if live.running is not None:
                async for event in live.running.log.read(0):
                    if event.kind != "finished":
                        yield event.kind, event.data
        yield "finished", (await self.wait(owner, id)).to_dict()

    def _of(self, owner: str, id: str) -> Live | None:
        live = self._live.get(id)
        return live if live is not None and live.owner == owner else None

    async def _take_over(self) -> None:
        try:
            for owner, revision_id, invocation in await self._kept.invocations.take_over():
                await self._resume(owner, revision_id, invocation)
        except Exception:
            _log.exception("what other servers have left could not be taken over")

    async def _resume(self, owner: str, revision_id: str, invocation: Invocation) -> None:
        try:
            revision = await self._kept.functions.by_id(owner, revision_id)
        except NotFound as error:
            await self._kept.invocations.finish(owner, failed(invocation, error))
        else:
            self._enqueue(owner, revision, invocation)

    def _enqueue(self, owner: str, revision: FunctionRevision, invocation: Invocation) -> None:
        most = revision.spec.concurrency or self._settings.function_concurrency
        waiting = Waiting(owner, invocation, revision.revision, most)
        self._live[invocation.id] = Live(owner, partial(self._begun, waiting))
        self._queue.add(waiting)
        self._admit()

    def _room(self) -> None:
        self._refused.clear()
        self._admit()

    def _admit(self) -> None:
        while not self._stopped and (waiting := self._queue.take(self._may, self._enter)) is not None:
            self._beginning[waiting.owner] = waiting
            self._tasks.start_soon(self._run, waiting)

    def _may(self, owner: str) -> bool:
        return owner not in self._beginning and owner not in self._refused and self._engine.has_room(owner)

    def _enter(self, waiting: Waiting) -> bool:
        return self._gates.enter(waiting.key, waiting.most)

    def _begun(self, waiting: Waiting) -> None:
        if self._beginning.get(waiting.owner) is waiting:
            del self._beginning[waiting.owner]
            self._admit()

    async def _run(self, waiting: Waiting) -> None:
        ended = True
        try:
            ended = await self._call(waiting, self._live[waiting.invocation.id])
        except EngineClosed:
            pass
        except Exception:
            # A defect, or a disk that fails: this one is told as crashed when the server starts again.
            _log.exception("the invocation %s failed", waiting.invocation.id)
        finally:
            if ended:
                self._end(waiting)
            else:
                self._queue.put_back(waiting)
            self._queue.leave(waiting.owner)
            self._begun(waiting)
            self._gates.leave(waiting.key)

    def _end(self, waiting: Waiting) -> None:
        self._live.pop(waiting.invocation.id).end()

    async def _call(self, waiting: Waiting, live: Live) -> bool:
        """Call one that was waiting; False if it has to wait again."""
        owner, running = waiting.owner, replace(waiting.invocation, state="running", started=time.time())
        try:
            request = await self._kept.invocations.begin(owner, running)
        except StoreFailed:
            _log.exception("the invocation %s could not begin, and waits again", running.id)
            self._refused.add(owner)
            return False
        # None where it was deleted, which is noted already.
        return request is None or await self._call_with(waiting, running, request, live)

    async def _call_with(self, waiting: Waiting, running: Invocation, request: bytes, live: Live) -> bool:
        owner = waiting.owner
        try:
            revision = await self._kept.functions.by_id(owner, waiting.revision)
            ended = await self._caller.call(owner, revision, running, request, live)
        except (ServerFull, QuotaExceeded):
            self._refused.add(owner)  # until somebody leaves, which may be while this is noted
            await self._put_back(waiting)
            return False
        except (EngineClosed, anyio.get_cancelled_exc_class()):
            # The server stops: what has not run yet waits for the next one.
            if live.running is None or not live.running.started:
                await self._put_back(waiting)
            raise
        except InsituError as error:
            ended = failed(running, error)
        with anyio.CancelScope(shield=True):
            await self._kept.invocations.finish(owner, brief(ended))
        return True

    async def _put_back(self, waiting: Waiting) -> None:
        with anyio.CancelScope(shield=True):
            await self._kept.invocations.put_back(waiting.owner, waiting.invocation)
