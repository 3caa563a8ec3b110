"""``@insitu.function``: a function of a program that runs on a server when it is called."""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

from insitu.errors import InvalidRequest, InvocationFailed, NotFound
from insitu.types import DeployedFunction, Invocation

from .blocking import Client
from .function_calls import FunctionOptions
from .functions import ClientFunctions
from .invocations import ClientInvocation

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class RemoteFunction(Generic[P, T]):
    """A function that is deployed when it is first called, and runs on the server each time.

    Args:
        client: of the server; by default one that ``INSITU_URL`` and ``INSITU_API_KEY`` name, made when it is needed.
        name: what it is called on the server.
    """

    __name__: str

    def __init__(
        self, local: Callable[P, T], client: Client | None, name: str | None, options: FunctionOptions
    ) -> None:
        if inspect.iscoroutinefunction(local):
            raise InvalidRequest(f"{local.__name__} is async; what is called here waits", hint="write it with def")
        functools.update_wrapper(self, local)
        self.local = local
        self.name = name or local.__name__
        self._client = client
        self._options = options
        self._deployed: DeployedFunction | None = None
        self._deploying = threading.Lock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """What it returns there.

        Raises:
            InvocationFailed: if it does not return.
        """
        invocation = self.invoke(*args, **kwargs)
        if not invocation.ok:
            raise InvocationFailed(invocation)
        value: T = invocation.result
        return value

    def deploy(self) -> DeployedFunction:
        """Deploys it, if that has not been done."""
        with self._deploying:
            if self._deployed is None:
                if self._client is None:
                    self._client = Client()
                    weakref.finalize(self, self._client.close)
                self._deployed = self._client.functions.deploy(self.name, self.local, **self._options)
            return self._deployed

    def invoke(self, *args: P.args, **kwargs: P.kwargs) -> Invocation:
        """Calls it, and tells all of what came of it."""
        return self._on_the_server(lambda there: there.invoke(self._version(), *args, **kwargs))

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> ClientInvocation:
        """Has it run in the background; the invocation that this returns tells of the end."""
        return self._on_the_server(lambda there: there.submit(self._version(), *args, **kwargs))

    def _on_the_server(self, call: Callable[[ClientFunctions], R]) -> R:
        deployed = self.deploy()
        try:
            return call(self._functions())
        except NotFound:
            # Somebody has deleted it, or the server has got other data: nothing has run.
            with self._deploying:
                self._deployed = None if self._deployed is deployed else self._deployed
            return call(self._functions())

    def _version(self) -> str:
        # Another program may have deployed another one under this name meanwhile.
        deployed = self.deploy()
        return self.name if deployed.version is None else f"{self.name}:{deployed.version}"

    def _functions(self) -> ClientFunctions:
        self.deploy()
        assert self._client is not None
        return self._client.functions


@overload
def function(local: Callable[P, T], /) -> RemoteFunction[P, T]: ...
@overload
def function(
    *, client: Client | None = None, name: str | None = None, **options: Unpack[FunctionOptions]
) -> Callable[[Callable[P, T]], RemoteFunction[P, T]]: ...
def function(
    local: Callable[..., Any] | None = None,
    /,
    *,
    client: Client | None = None,
    name: str | None = None,
    **options: Unpack[FunctionOptions],
) -> Any:
    """Makes a function run on a server; ``.local(...)`` still calls it here.

    Its own source crosses, with the imports of the standard library and of modules that it uses; it is deployed when
    it is first called, under its name.

    Args:
        client: of the server; by default one that ``INSITU_URL`` and ``INSITU_API_KEY`` name.
        name: what it is called on the server.
    """
    if local is not None:
        return RemoteFunction(local, client, name, options)
    return lambda local: RemoteFunction(local, client, name, options)
