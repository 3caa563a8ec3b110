"""All functions of a server: what is deployed, and what is called."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import anyio
from anyio.abc import TaskGroup

from ..engine import Engine
from ..errors import InvalidRequest, NotFound, SandboxFailed
from ..settings import Settings
from ..store import Listing, Page
from ..types import FunctionInfo, FunctionRevision, FunctionSpec, Invocation
from .background import Background
from .calling import Caller, Live, failed, given_up
from .check import check_alias, encode_arguments, make_revision
from .gate import Gates
from .journal import Journal
from .keeping import CodeFile, Kept
from .warm import Warm

T = TypeVar("T")

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_FIRST = Page(100)


class Functions:
    """Functions, each of one owner; what is someone else's is not there."""

    def __init__(self, settings: Settings, engine: Engine, kept: Kept, tasks: TaskGroup) -> None:
        self._settings = settings
        self._engine = engine
        self._kept = kept
        self._store = kept.functions
        self._gates = Gates()
        self._warm = Warm(settings, engine, tasks)
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

    async def deploy(
        self,
        owner: str,
        name: str,
        spec: FunctionSpec,
        *,
        publish: bool = True,
        only: Literal["new", "existing"] | None = None,
    ) -> FunctionRevision:
        """Make a revision and have it be the newest: all of it, or nothing. No code runs.

        What is the newest already is not made again.

        Args:
            publish: whether it becomes a version at once.
            only: whether the function must be new, or be there.

        Raises:
            InvalidRequest: if the name, the handler, the schema or a variable cannot be used.
            PathRefused: if a file's path leads out of the workspace.
            TooLarge: if there is too much code.
            Conflict: if it is there and must be new.
            NotFound: if it is not and must be.
            QuotaExceeded: when the owner would store more than may be.
        """
        environments = [each.name for each in self._engine.environments()]
        made = await make_revision(name, spec, self._settings, environments)
        return await self._store.deploy(owner, made, publish=publish, only=only)

    async def publish(self, owner: str, name: str, revision: str | None = None) -> FunctionRevision:
        """Make a version of a revision, by default the newest; one that is a version already stays that.

        Raises:
            NotFound: if there is no such function or revision.
        """
        return await self._store.publish(owner, name, revision)

    async def get(self, owner: str, name: str) -> FunctionInfo:
        """One function, its files without their contents; raises NotFound."""
        return await self._store.get(owner, name)

    async def list(self, owner: str, page: Page = _FIRST) -> Listing[FunctionInfo]:
        """An owner's functions by their names, their files without their contents.

        Args:
            page: those behind the name that is its ``after``.
        """
        return await self._store.list(owner, page)

    async def revision(self, owner: str, name: str, qualifier: str | None = None) -> FunctionRevision:
        """What a qualifier names: nothing or ``$LATEST`` the newest revision, a number a version, else an alias.

        Raises:
            NotFound: if there is no such thing.
        """

        async def load(revision: FunctionRevision) -> FunctionRevision:
            files = {file.path: await file.content() for file in await self._store.files(owner, revision)}
            return replace(revision, spec=replace(revision.spec, files=files))

        return await self._with_revision(owner, name, qualifier, load)

    async def code(
        self, owner: str, name: str, qualifier: str | None = None
    ) -> tuple[FunctionRevision, Sequence[CodeFile]]:
        """The same, with its files apart, which are read when they are used; raises NotFound."""

        async def use(revision: FunctionRevision) -> tuple[FunctionRevision, Sequence[CodeFile]]:
            return revision, await self._store.files(owner, revision)

        return await self._with_revision(owner, name, qualifier, use)

    async def find(self, owner: str, name: str, qualifier: str | None = None) -> FunctionRevision:
        """The same, its files without their contents; raises NotFound."""
        return await self._store.find(owner, name, qualifier)

    async def versions(self, owner: str, name: str, page: Page = _FIRST) -> Listing[FunctionRevision]:
        """A function's versions, the oldest first, their files without their contents; raises NotFound.

        Args:
            page: those behind the number that is its ``after``.
        """
        return await self._store.versions(owner, name, page)

    async def set_alias(self, owner: str, name: str, alias: str, version: int) -> None:
        """Have an alias name a version, whatever it named before; raises NotFound and InvalidRequest."""
        check_alias(alias)
        await self._store.set_alias(owner, name, alias, version)

    async def delete_alias(self, owner: str, name: str, alias: str) -> None:
        """Delete an alias; raises NotFound."""
        await self._store.delete_alias(owner, name, alias)

    async def delete(self, owner: str, name: str, qualifier: str | None = None) -> None:
        """Delete a function, or one of its versions; what runs goes on to its end.

        Raises:
            NotFound: if there is no such thing.
            InvalidRequest: if the qualifier is no version's number.
            Conflict: if an alias names the version.
        """
        gone = await self._store.delete(owner, name, _version(qualifier))
        self._background.drop(owner, name, gone)
        self._warm.retire(gone)

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

        return await self._with_revision(owner, name, qualifier, call)

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

        return await self._with_revision(owner, name, qualifier, accept)

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

    async def logs(self, owner: str, name: str, page: Page = _FIRST) -> Listing[Invocation]:
        """The last invocations that have ended, the newest first, without what they returned.

        Args:
            page: those behind the invocation whose id is its ``after``.

        Raises:
            NotFound: if there is no such function, or no such invocation.
        """
        await self._journal.flush()
        await self._store.find(owner, name, None)
        return await self._kept.invocations.ended(owner, name, page)

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

    async def _with_revision(
        self, owner: str, name: str, qualifier: str | None, use: Callable[[FunctionRevision], Awaitable[T]]
    ) -> T:
        while True:
            revision = await self.find(owner, name, qualifier)
            try:
                return await use(revision)
            except NotFound:
                # A deployment may have taken its place meanwhile: nothing of it has run then.
                if (await self.find(owner, name, qualifier)).revision == revision.revision:
                    raise

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


def _version(qualifier: str | None) -> int | None:
    if qualifier is None:
        return None
    if not (qualifier.isascii() and qualifier.isdigit() and 0 < int(qualifier[:18]) < 1 << 31):
        raise InvalidRequest(f"{qualifier[:100]!r} is no version's number", hint="aliases are deleted as aliases")
    return int(qualifier)
