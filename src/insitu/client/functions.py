"""The functions of a server: deployed once, and called by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar, Unpack

from insitu.types import DeployedFunction, Invocation

from . import function_calls
from .calls import Call
from .function_calls import Code, FunctionOptions, Part
from .invocations import AsyncClientInvocation, ClientInvocation
from .transport import AsyncTransport, Transport

T = TypeVar("T")


class ClientFunctions:
    """The functions of this key. A name may have a version or an alias behind it: ``name:3``, ``name:live``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def deploy(self, name: str, code: Code, **options: Unpack[FunctionOptions]) -> DeployedFunction:
        """Deploys a function: all of it is there then, or nothing. What is there already is not deployed again.

        Args:
            code: a function of Python, of which its own source crosses; or source; or files, path to content.
        """
        return self._transport.send(function_calls.deploy(name, code, options))

    def list(self) -> Sequence[DeployedFunction]:
        """All functions, each as its newest revision."""
        return self._every(function_calls.listing)

    def get(self, name: str) -> DeployedFunction:
        """One function."""
        return self._transport.send(function_calls.get(name))

    def versions(self, name: str) -> Sequence[DeployedFunction]:
        """The versions of a function, the oldest first."""
        return self._every(partial(function_calls.versions, name))

    def publish(self, name: str) -> DeployedFunction:
        """Makes a version of the newest revision."""
        return self._transport.send(function_calls.publish(name))

    def set_alias(self, name: str, alias: str, version: int) -> DeployedFunction:
        """Has an alias name a version."""
        return self._transport.send(function_calls.set_alias(name, alias, version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Deletes an alias."""
        self._transport.send(function_calls.delete_alias(name, alias))

    def invoke(self, name: str, /, *args: Any, **kwargs: Any) -> Invocation:
        """Calls a function and waits for its end; what it does wrong is in ``outcome`` and ``error``.

        Raises:
            QuotaExceeded: if as many invocations of it run as may.
        """
        return self._transport.send(function_calls.invoke(name, args, kwargs))

    def submit(self, name: str, /, *args: Any, **kwargs: Any) -> ClientInvocation:
        """Has a function run in the background; once this returns, the call is not lost any more."""
        call = function_calls.invoke(name, args, kwargs, background=True)
        return self.invocation(name, (self._transport.send(call)).id)

    def invocation(self, name: str, id: str) -> ClientInvocation:
        """One that runs in the background, or has run; the server is not asked yet."""
        return ClientInvocation(self._transport, function_calls.bare(name), id)

    def logs(self, name: str, limit: int = 50) -> Sequence[Invocation]:
        """The last invocations that have ended, the newest first, without what they returned."""
        return self._every(partial(function_calls.logs, name, limit))

    def delete(self, name: str) -> None:
        """Deletes a function, or a version; what runs goes on to its end."""
        self._transport.send(function_calls.delete(name))

    def _every(self, part: Callable[[Sequence[T]], Call[Part[T]]]) -> Sequence[T]:
        found: list[T] = []
        has_more = True
        while has_more:
            more = self._transport.send(part(found))
            found += more.data
            has_more = more.has_more
        return found


class AsyncClientFunctions:
    """The functions of this key. A name may have a version or an alias behind it: ``name:3``, ``name:live``."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def deploy(self, name: str, code: Code, **options: Unpack[FunctionOptions]) -> DeployedFunction:
        """Deploys a function: all of it is there then, or nothing. What is there already is not deployed again.

        Args:
            code: a function of Python, of which its own source crosses; or source; or files, path to content.
        """
        return await self._transport.send(function_calls.deploy(name, code, options))

    async def list(self) -> Sequence[DeployedFunction]:
        """All functions, each as its newest revision."""
        return await self._every(function_calls.listing)

    async def get(self, name: str) -> DeployedFunction:
        """One function."""
        return await self._transport.send(function_calls.get(name))

    async def versions(self, name: str) -> Sequence[DeployedFunction]:
        """The versions of a function, the oldest first."""
        return await self._every(partial(function_calls.versions, name))

    async def publish(self, name: str) -> DeployedFunction:
        """Makes a version of the newest revision."""
        return await self._transport.send(function_calls.publish(name))

    async def set_alias(self, name: str, alias: str, version: int) -> DeployedFunction:
        """Has an alias name a version."""
        return await self._transport.send(function_calls.set_alias(name, alias, version))

    async def delete_alias(self, name: str, alias: str) -> None:
        """Deletes an alias."""
        await self._transport.send(function_calls.delete_alias(name, alias))

    async def invoke(self, name: str, /, *args: Any, **kwargs: Any) -> Invocation:
        """Calls a function and waits for its end; what it does wrong is in ``outcome`` and ``error``.

        Raises:
            QuotaExceeded: if as many invocations of it run as may.
        """
        return await self._transport.send(function_calls.invoke(name, args, kwargs))

    async def submit(self, name: str, /, *args: Any, **kwargs: Any) -> AsyncClientInvocation:
        """Has a function run in the background; once this returns, the call is not lost any more."""
        call = function_calls.invoke(name, args, kwargs, background=True)
        return self.invocation(name, (await self._transport.send(call)).id)

    def invocation(self, name: str, id: str) -> AsyncClientInvocation:
        """One that runs in the background, or has run; the server is not asked yet."""
        return AsyncClientInvocation(self._transport, function_calls.bare(name), id)

    async def logs(self, name: str, limit: int = 50) -> Sequence[Invocation]:
        """The last invocations that have ended, the newest first, without what they returned."""
        return await self._every(partial(function_calls.logs, name, limit))

    async def delete(self, name: str) -> None:
        """Deletes a function, or a version; what runs goes on to its end."""
        await self._transport.send(function_calls.delete(name))

    async def _every(self, part: Callable[[Sequence[T]], Call[Part[T]]]) -> Sequence[T]:
        found: list[T] = []
        has_more = True
        while has_more:
            more = await self._transport.send(part(found))
            found += more.data
            has_more = more.has_more
        return found
