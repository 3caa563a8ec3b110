"""All functions of a server: what is deployed, and what is called."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Literal

import anyio
from anyio.abc import TaskGroup

from ..engine import Engine
from ..errors import NotFound, SandboxFailed
from ..settings import Settings
from ..store import Listing, Page
from ..types import FunctionRevision, Invocation
from .background import Background
from .calling import Caller, Live, failed, given_up
from .check import encode_arguments
from .deployed import FIRST, Deployed
from .gate import Gates
from .journal import Journal
from .keeping import Kept
from .warm import Warm

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Functions(Deployed):
    """What is deployed, and what is called of it."""

    def __init__(self, settings: Settings, engine: Engine, kept: Kept, tasks: TaskGroup) -> None:
        self._warm = Warm(settings, engine, tasks)
        super().__init__(settings, engine, kept.functions, self._let_go)
        self._kept = kept
        self._gates = Gates()
        self._caller = Caller(engine, kept.functions, self._warm)
        self._background = Background(settings, engine, kept, self._caller, self._gates, tasks)
        self._journal = Journal(kept.invocations, settings.function_log)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, engine: Engine, kept: Kept) -> AsyncIterator[Functions]:
        """All functions, for as long as a server runs; what waited when it stopped goes on.

        Args:
            kept: the store, which has to be open for longer.
        """
        async with anyio.create_task_group() as tasks:
            functions = cls(settings, engine, kept, tasks)
            tasks.start_soon(functions._warm.end_idle)
            tasks.start_soon(functions._background.run)
            tasks.start_soon(functions._journal.keep)
            try:
                yield functions
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await functions._journal.flush()
                    await functions._warm.close()

    async def invoke(
        self,
        owner: str,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = _NOTHING,
        *,
        qualifier: str | None = None,
        wait: bool = False,
    ) -> Invocation:
        """Call a function and wait for its end; cancelling this interrupts it.

        Args:
            args: values in JSON's types, in the forms of ``guest/values.py``; ``kwargs`` likewise.
            wait: whether to wait for a place where as many invocations run as may.

        Raises:
            NotFound: if there is no such function.
            InvalidRequest: if the arguments are not what its schema says.
            TooLarge: if they are too many bytes.
            QuotaExceeded: if as many invocations run as may and it does not wait, or the owner's share is used up.
            ServerFull: if there is no room.
        """

        async def call(revision: FunctionRevision) -> Invocation:
            return await self._invoke(owner, revision, self._encoded(revision, args, kwargs), wait)

        return await self.with_revision(owner, name, qualifier, call)

    async def submit(
        self,
        owner: str,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = _NOTHING,
        *,
        qualifier: str | None = None,
    ) -> Invocation:
        """Accept a call that runs in the background: it is stored before this returns, and survives a restart.

        Raises:
            NotFound: if there is no such function.
            InvalidRequest: if the arguments are not what its schema says.
            TooLarge: if they are too many bytes.
            QuotaExceeded: if too many wait, or the owner would store more than may be.
        """

        async def accept(revision: FunctionRevision) -> Invocation:
            invocation, arguments = _begin(revision, "queued"), self._encoded(revision, args, kwargs)
            await self._background.accept(owner, revision, invocation, arguments)
            return invocation

        return await self.with_revision(owner, name, qualifier, accept)

    async def invocation(self, owner: str, id: str) -> Invocation:
        """What has become of an invocation; raises NotFound."""
        await self._journal.flush()
        return await self._kept.invocations.get(owner, id)

    async def wait(self, owner: str, id: str) -> Invocation:
        """The same, once it has ended."""
        await self._journal.flush()
        return await self._background.wait(owner, id)

    def events(self, owner: str, id: str) -> AsyncGenerator[tuple[str, Mapping[str, Any]]]:
        """What happens in an invocation that was submitted: kind and data, the last ``finished`` with all of it.

        Raises:
            NotFound: if there is no such invocation.
        """
        return self._background.events(owner, id)

    async def logs(self, owner: str, name: str, page: Page = FIRST) -> Listing[Invocation]:
        """The last invocations that have ended, the newest first, without what they returned.

        Args:
            page: those behind the invocation whose id is its ``after``.

        Raises:
            NotFound: if there is no such function, or no such invocation.
        """
        await self._journal.flush()
        await self._store.find(owner, name, None)
        return await self._kept.invocations.ended(owner, name, page)

    def _let_go(self, revisions: Collection[str]) -> None:
        self._background.drop(revisions)
        self._warm.retire(revisions)

    async def _invoke(self, owner: str, revision: FunctionRevision, arguments: bytes, wait: bool) -> Invocation:
        async with self._gates.place((owner, revision.name), self._most(revision), wait=wait):
            running = _begin(revision, "running")
            try:
                ended = await self._caller.call(owner, revision, running, arguments, Live(owner))
            except NotFound:
                raise
            except SandboxFailed as error:
                self._journal.add(owner, revision, failed(running, error))
                raise
            except anyio.get_cancelled_exc_class():
                self._journal.add(owner, revision, given_up(running))
                raise
        self._journal.add(owner, revision, ended)
        return ended

    def _encoded(self, revision: FunctionRevision, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        arguments = encode_arguments(args, kwargs)
        self._caller.check(revision, args, kwargs)
        return arguments

    def _most(self, revision: FunctionRevision) -> int:
        return revision.spec.concurrency or self._settings.function_concurrency


def _begin(revision: FunctionRevision, state: Literal["queued", "running"]) -> Invocation:
    now = time.time()
    started = now if state == "running" else None
    return Invocation(
        f"inv_{secrets.token_hex(16)}", revision.name, revision.version, state, created=now, started=started
    )
