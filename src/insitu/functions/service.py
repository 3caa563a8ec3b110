"""All functions of a server: what is deployed, and what is called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from ..types import FunctionInfo, FunctionRevision, FunctionSpec, Invocation

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Functions:
    """Functions, each of one owner; what is someone else's is not there."""

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
        raise NotImplementedError

    async def publish(self, owner: str, name: str, revision: str | None = None) -> FunctionRevision:
        """Make a version of a revision, by default the newest; one that is a version already stays that.

        Raises:
            NotFound: if there is no such function or revision.
        """
        raise NotImplementedError

    async def get(self, owner: str, name: str) -> FunctionInfo:
        """One function; raises NotFound."""
        raise NotImplementedError

    async def list(self, owner: str) -> list[FunctionInfo]:
        """An owner's functions, by their names."""
        raise NotImplementedError

    async def revision(self, owner: str, name: str, qualifier: str | None = None) -> FunctionRevision:
        """What a qualifier names: nothing or ``$LATEST`` the newest revision, a number a version, else an alias.

        Raises:
            NotFound: if there is no such thing.
        """
        raise NotImplementedError

    async def versions(self, owner: str, name: str) -> Sequence[FunctionRevision]:
        """All versions, the oldest first; raises NotFound."""
        raise NotImplementedError

    async def set_alias(self, owner: str, name: str, alias: str, version: int) -> None:
        """Have an alias name a version, whatever it named before; raises NotFound and InvalidRequest."""
        raise NotImplementedError

    async def delete_alias(self, owner: str, name: str, alias: str) -> None:
        """Delete an alias; raises NotFound."""
        raise NotImplementedError

    async def delete(self, owner: str, name: str, qualifier: str | None = None) -> None:
        """Delete a function, or one of its versions; what runs goes on to its end.

        Raises:
            NotFound: if there is no such thing.
            InvalidRequest: if the qualifier is no version's number.
            Conflict: if an alias names the version.
        """
        raise NotImplementedError

    async def invoke(
        self,
        owner: str,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = _NOTHING,
        *,
        qualifier: str | None = None,
    ) -> Invocation:
        """Call a function and wait for its end; cancelling this interrupts it.

        Args:
            args: values in JSON's types, in the forms of ``guest/values.py``; ``kwargs`` likewise.

        Raises:
            NotFound: if there is no such function.
            InvalidRequest: if the arguments are not what its schema says.
            TooLarge: if they are too many bytes.
            QuotaExceeded: if as many invocations run as may, or the owner's share is used up.
            ServerFull: if there is no room.
        """
        raise NotImplementedError

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
        raise NotImplementedError

    async def invocation(self, owner: str, id: str) -> Invocation:
        """What has become of an invocation; raises NotFound."""
        raise NotImplementedError

    async def wait(self, owner: str, id: str) -> Invocation:
        """The same, once it has ended."""
        raise NotImplementedError

    def events(self, owner: str, id: str) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """What happens in an invocation that was submitted: kind and data, the last ``finished`` with all of it.

        Raises:
            NotFound: if there is no such invocation.
        """
        raise NotImplementedError

    async def logs(self, owner: str, name: str, limit: int = 50) -> Sequence[Invocation]:
        """The last invocations that have ended, the newest first, without what they returned; raises NotFound."""
        raise NotImplementedError
