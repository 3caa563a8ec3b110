"""What functions need of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol

from ..engine import NewFile
from ..store import Listing, Page
from ..types import CodeError, FunctionInfo, FunctionRevision, Invocation

# Characters of each text that is kept of an invocation.
_MOST_TEXT, _MOST_NAME = 16 * 1024, 256


def brief(invocation: Invocation) -> Invocation:
    """What is kept of an invocation: of output and of a traceback the end, of an error's message the beginning."""
    error = invocation.error
    if error is not None:
        error = CodeError(error.name[:_MOST_NAME], error.value[:_MOST_TEXT], error.traceback[-_MOST_TEXT:])
    stdout, stderr = invocation.stdout[-_MOST_TEXT:], invocation.stderr[-_MOST_TEXT:]
    return replace(invocation, error=error, stdout=stdout, stderr=stderr)


class CodeFile(NewFile, Protocol):
    """A file of a revision; what is in it is read when it is asked for."""

    async def content(self) -> bytes:
        """All of it at once; raises NotFound if its revision was deleted meanwhile."""


class FunctionStore(Protocol):
    """Where revisions, versions and aliases are. In what it lists, files are without their contents."""

    async def deploy(
        self, owner: str, made: FunctionRevision, *, publish: bool, only: Literal["new", "existing"] | None = None
    ) -> FunctionRevision:
        """Have a revision be a function's newest; the same again changes nothing."""

    async def publish(self, owner: str, name: str, revision: str | None) -> FunctionRevision:
        """Make a version of a revision, by default the newest."""

    async def get(self, owner: str, name: str) -> FunctionInfo:
        """One function."""

    async def list(self, owner: str, page: Page) -> Listing[FunctionInfo]:
        """An owner's functions, by their names."""

    async def versions(self, owner: str, name: str, page: Page) -> Listing[FunctionRevision]:
        """A function's versions, by their numbers."""

    async def find(self, owner: str, name: str, qualifier: str | None) -> FunctionRevision:
        """What a qualifier names."""

    async def by_id(self, owner: str, revision: str) -> FunctionRevision:
        """The revision of an id."""

    async def files(self, owner: str, revision: FunctionRevision) -> Sequence[CodeFile]:
        """The files of a revision."""

    async def set_alias(self, owner: str, name: str, alias: str, version: int, *, new: bool) -> None:
        """Have an alias name a version, and be ``new`` if it must."""

    async def delete_alias(self, owner: str, name: str, alias: str) -> None:
        """Delete an alias."""

    async def delete(self, owner: str, name: str, version: int | None) -> Sequence[str]:
        """Delete a function or a version; the ids of the revisions that are gone."""


class InvocationStore(Protocol):
    """Where invocations are that must not be lost, and the log of those that have ended."""

    async def accept(self, owner: str, invocation: Invocation, revision: str, request: bytes, most: int) -> None:
        """Store one that is to run, unless ``most`` of the owner's wait or run."""

    async def begin(self, owner: str, invocation: Invocation) -> bytes | None:
        """Note that one that waits runs now; what it is to be called with, or None if it waits no more."""

    async def put_back(self, owner: str, invocation: Invocation) -> None:
        """Note that one that was to run waits again."""

    async def finish(self, owner: str, invocation: Invocation) -> None:
        """Note how one has ended."""

    async def log(self, ended: Sequence[tuple[str, str, Invocation]], most: int) -> None:
        """Note some that were awaited: owner, revision and invocation; the last ``most`` are kept of a function's."""

    async def get(self, owner: str, id: str) -> Invocation:
        """One invocation."""

    async def ended(self, owner: str, function: str, page: Page) -> Listing[Invocation]:
        """Those that have ended, without what they returned."""

    async def take_over(self) -> Sequence[tuple[str, str, Invocation]]:
        """Those that wait on a server that has died: owner, revision and invocation of each."""


class Kept(Protocol):
    """A store that has both."""

    @property
    def functions(self) -> FunctionStore:
        """The functions."""

    @property
    def invocations(self) -> InvocationStore:
        """The invocations."""
