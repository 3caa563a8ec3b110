"""What is deployed: functions, their revisions, versions and aliases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from ..engine import Engine
from ..errors import InvalidRequest, NotFound
from ..settings import Settings
from ..store import Listing, Page
from ..types import FunctionInfo, FunctionRevision, FunctionSpec
from .check import check_alias, make_revision
from .keeping import CodeFile, FunctionStore

T = TypeVar("T")

FIRST = Page(100)


class Deployed:
    """Functions, each of one owner; what is someone else's is not there.

    Args:
        retire: hears of the revisions that are deleted.
    """

    def __init__(
        self, settings: Settings, engine: Engine, store: FunctionStore, retire: Callable[[Collection[str]], None]
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._store = store
        self._retire = retire

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

    async def list(self, owner: str, page: Page = FIRST) -> Listing[FunctionInfo]:
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

        return await self.with_revision(owner, name, qualifier, load)

    async def code(
        self, owner: str, name: str, qualifier: str | None = None
    ) -> tuple[FunctionRevision, Sequence[CodeFile]]:
        """The same, with its files apart, which are read when they are used; raises NotFound."""

        async def use(revision: FunctionRevision) -> tuple[FunctionRevision, Sequence[CodeFile]]:
            return revision, await self._store.files(owner, revision)

        return await self.with_revision(owner, name, qualifier, use)

    async def find(self, owner: str, name: str, qualifier: str | None = None) -> FunctionRevision:
        """The same, its files without their contents; raises NotFound."""
        return await self._store.find(owner, name, qualifier)

    async def versions(self, owner: str, name: str, page: Page = FIRST) -> Listing[FunctionRevision]:
        """A function's versions, the oldest first, their files without their contents; raises NotFound.

        Args:
            page: those behind the number that is its ``after``.
        """
        return await self._store.versions(owner, name, page)

    async def set_alias(self, owner: str, name: str, alias: str, version: int, *, new: bool = False) -> None:
        """Have an alias name a version, whatever it named before.

        Args:
            new: whether there must be no such alias yet.

        Raises:
            InvalidRequest: if that is no name of an alias.
            NotFound: if there is no such version.
            Conflict: if the alias is there and must be new.
            QuotaExceeded: if the function has too many.
        """
        check_alias(alias)
        await self._store.set_alias(owner, name, alias, version, new=new)

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
        self._retire(await self._store.delete(owner, name, _version(qualifier)))

    async def with_revision(
        self, owner: str, name: str, qualifier: str | None, use: Callable[[FunctionRevision], Awaitable[T]]
    ) -> T:
        """Use what a qualifier names, which a deployment may replace and delete meanwhile; raises NotFound.

        Args:
            use: raises NotFound if the revision is gone, and has done nothing then; it is called again with the next.
        """
        while True:
            revision = await self.find(owner, name, qualifier)
            try:
                return await use(revision)
            except NotFound:
                if (await self.find(owner, name, qualifier)).revision == revision.revision:
                    raise


def _version(qualifier: str | None) -> int | None:
    if qualifier is None:
        return None
    version = int(qualifier) if qualifier.isascii() and qualifier.isdigit() and len(qualifier) <= 18 else 0
    if not 0 < version < 1 << 31:
        raise InvalidRequest(f"{qualifier[:100]!r} is no version's number", hint="aliases are deleted as aliases")
    return version
