"""Invocations in the background: each is stored before it is accepted, and none is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

import anyio
from anyio.abc import TaskGroup

from ..errors import EngineClosed, InsituError, NotFound, QuotaExceeded, ServerFull
from ..settings import Settings
from ..types import FunctionRevision, Invocation
from .calling import Caller, Live, failed
from .gate import Gates
from .keeping import Kept

_log = logging.getLogger("insitu.functions")
_POLL_S, _TAKE_OVER_S = 1.0, 60.0


class Background:
    """Runs what was accepted, as soon as its function has room."""

    def __init__(self, settings: Settings, kept: Kept, caller: Caller, gates: Gates, tasks: TaskGroup) -> None:
        self._settings = settings
        self._kept = kept
        self._caller = caller
        self._gates = gates
        self._tasks = tasks
        self._live: dict[str, Live] = {}

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
            self._start(owner, revision, invocation)

    async def resume(self) -> None:
        """Run what servers have left that have died, again and again."""
        while True:
            try:
                for owner, revision_id, invocation in await self._kept.invocations.take_over():
                    await self._resume(owner, revision_id, invocation)
            except Exception:
                _log.exception("what other servers have left could not be taken over")
            await anyio.sleep(_TAKE_OVER_S)

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

    def _start(self, owner: str, revision: FunctionRevision, invocation: Invocation) -> None:
        live = self._live[invocation.id] = Live(owner)
        self._tasks.start_soon(self._run, owner, revision, invocation, live)

    async def _resume(self, owner: str, revision_id: str, invocation: Invocation) -> None:
        try:
            revision = await self._kept.functions.by_id(owner, revision_id)
        except NotFound as error:
            await self._kept.invocations.finish(owner, failed(invocation, error))
        else:
            self._start(owner, revision, invocation)

    async def _run(self, owner: str, revision: FunctionRevision, invocation: Invocation, live: Live) -> None:
        try:
            most = revision.spec.concurrency or self._settings.function_concurrency
            async with self._gates.place((owner, invocation.function), most, wait=True):
                await self._run_in_place(owner, revision, invocation, live)
        except Exception:
            # A defect, or a disk that fails: this one is told as crashed when the server starts again.
            _log.exception("the invocation %s failed", invocation.id)
        finally:
            self._live.pop(invocation.id, None)
            live.end()

    async def _run_in_place(self, owner: str, revision: FunctionRevision, invocation: Invocation, live: Live) -> None:
        while True:
            running = replace(invocation, state="running", started=time.time())
            request = await self._kept.invocations.begin(owner, running)
            if request is None:
                return  # its function was deleted, which is noted already
            try:
                ended = await self._caller.call(owner, revision, running, request, live)
            except (ServerFull, QuotaExceeded) as error:
                await self._kept.invocations.put_back(owner, invocation)
                await anyio.sleep(error.retry_after_s)
                continue
            except EngineClosed:
                return await self._kept.invocations.put_back(owner, invocation)
            except InsituError as error:
                ended = failed(running, error)
            return await self._kept.invocations.finish(owner, ended)
