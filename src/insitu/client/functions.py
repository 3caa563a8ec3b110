"""The functions of a server: deployed once, and called by their names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, closing
from functools import partial
from typing import Any, Unpack
from urllib.parse import quote

import httpx2

from insitu.crossing import arguments, returned
from insitu.options import SizeOptions, SmallContent, given
from insitu.sources import source_of
from insitu.types import DeployedFunction, Invocation

from .answers import broken_off, rebuilt
from .calls import Call, inline_files, with_limits
from .transport import AsyncTransport, Transport

Code = str | Callable[..., Any] | Mapping[str, SmallContent]


class FunctionOptions(SizeOptions, total=False):
    """What a function may be deployed with.

    Args:
        handler: what is called, as ``module.name``; source that is one text is the module ``function``.
        timeout_s: wall time of each invocation, in seconds.
        schema: JSON schema of the named arguments as one object; there are no others then.
        concurrency: invocations that may run at once.
        reuse: whether invocations may follow one another in one sandbox.
        publish: whether it becomes a version at once.
    """

    handler: str | None
    environment: str | None
    timeout_s: float | None
    env_vars: Mapping[str, str] | None
    schema: Mapping[str, Any] | None
    description: str | None
    concurrency: int | None
    reuse: bool | None
    publish: bool | None


class ClientFunctions:
    """The functions of this key. A name may have a version or an alias behind it: ``name:3``, ``name:live``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def deploy(self, name: str, code: Code, **options: Unpack[FunctionOptions]) -> DeployedFunction:
        """Deploys a function: all of it is there then, or nothing. What is there already is not deployed again.

        Args:
            code: a function of Python, of which its own source crosses; or source; or files, path to content.
        """
        return self._transport.send(_deploy(name, code, options))

    def list(self) -> Sequence[DeployedFunction]:
        """All functions, each as its newest revision."""
        return self._transport.send(_list())

    def get(self, name: str) -> DeployedFunction:
        """One function."""
        return self._transport.send(_get(name))

    def versions(self, name: str) -> Sequence[DeployedFunction]:
        """The versions of a function, the oldest first."""
        return self._transport.send(_versions(name))

    def publish(self, name: str) -> DeployedFunction:
        """Makes a version of the newest revision."""
        return self._transport.send(_publish(name))

    def set_alias(self, name: str, alias: str, version: int) -> DeployedFunction:
        """Has an alias name a version."""
        return self._transport.send(_set_alias(name, alias, version))

    def delete_alias(self, name: str, alias: str) -> None:
        """Deletes an alias."""
        self._transport.send(_delete_alias(name, alias))

    def invoke(self, name: str, /, *args: Any, **kwargs: Any) -> Invocation:
        """Calls a function and waits for its end; what it does wrong is in ``outcome`` and ``error``.

        Raises:
            QuotaExceeded: if as many invocations of it run as may.
        """
        return self._transport.send(_invoke(name, args, kwargs))

    def submit(self, name: str, /, *args: Any, **kwargs: Any) -> Invocation:
        """Has a function run in the background; once this returns, the call is not lost any more."""
        return self._transport.send(_invoke(name, args, kwargs, background=True))

    def invocation(self, name: str, id: str) -> Invocation:
        """What has become of an invocation."""
        return self._transport.send(_invocation(name, id))

    def wait(self, name: str, id: str) -> Invocation:
        """The same, once it has ended."""
        ended: Invocation | None = None
        with closing(self._transport.stream(_invocation(name, id, stream=True))) as stream:
            for sse in stream:
                ended = _finished(sse) or ended
        if ended is None:
            raise broken_off(self._transport.url, "the invocation's end")
        return ended

    def logs(self, name: str, limit: int = 50) -> Sequence[Invocation]:
        """The last invocations that have ended, the newest first, without what they returned."""
        return self._transport.send(_logs(name, limit))

    def delete(self, name: str) -> None:
        """Deletes a function, or a version; what runs goes on to its end."""
        self._transport.send(_delete(name))


class AsyncClientFunctions:
    """The functions of this key. A name may have a version or an alias behind it: ``name:3``, ``name:live``."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def deploy(self, name: str, code: Code, **options: Unpack[FunctionOptions]) -> DeployedFunction:
        """Deploys a function: all of it is there then, or nothing. What is there already is not deployed again.

        Args:
            code: a function of Python, of which its own source crosses; or source; or files, path to content.
        """
        return await self._transport.send(_deploy(name, code, options))

    async def list(self) -> Sequence[DeployedFunction]:
        """All functions, each as its newest revision."""
        return await self._transport.send(_list())

    async def get(self, name: str) -> DeployedFunction:
        """One function."""
        return await self._transport.send(_get(name))

    async def versions(self, name: str) -> Sequence[DeployedFunction]:
        """The versions of a function, the oldest first."""
        return await self._transport.send(_versions(name))

    async def publish(self, name: str) -> DeployedFunction:
        """Makes a version of the newest revision."""
        return await self._transport.send(_publish(name))

    async def set_alias(self, name: str, alias: str, version: int) -> DeployedFunction:
        """Has an alias name a version."""
        return await self._transport.send(_set_alias(name, alias, version))

    async def delete_alias(self, name: str, alias: str) -> None:
        """Deletes an alias."""
        await self._transport.send(_delete_alias(name, alias))

    async def invoke(self, name: str, /, *args: Any, **kwargs: Any) -> Invocation:
        """Calls a function and waits for its end; what it does wrong is in ``outcome`` and ``error``.

        Raises:
            QuotaExceeded: if as many invocations of it run as may.
        """
        return await self._transport.send(_invoke(name, args, kwargs))

    async def submit(self, name: str, /, *args: Any, **kwargs: Any) -> Invocation:
        """Has a function run in the background; once this returns, the call is not lost any more."""
        return await self._transport.send(_invoke(name, args, kwargs, background=True))

    async def invocation(self, name: str, id: str) -> Invocation:
        """What has become of an invocation."""
        return await self._transport.send(_invocation(name, id))

    async def wait(self, name: str, id: str) -> Invocation:
        """The same, once it has ended."""
        ended: Invocation | None = None
        async with aclosing(self._transport.stream(_invocation(name, id, stream=True))) as stream:
            async for sse in stream:
                ended = _finished(sse) or ended
        if ended is None:
            raise broken_off(self._transport.url, "the invocation's end")
        return ended

    async def logs(self, name: str, limit: int = 50) -> Sequence[Invocation]:
        """The last invocations that have ended, the newest first, without what they returned."""
        return await self._transport.send(_logs(name, limit))

    async def delete(self, name: str) -> None:
        """Deletes a function, or a version; what runs goes on to its end."""
        await self._transport.send(_delete(name))


def _deploy(name: str, code: Code, options: FunctionOptions) -> Call[DeployedFunction]:
    body = with_limits(given(options), without=("timeout_s",))
    if isinstance(code, Mapping):
        body["files"] = inline_files(code)
    else:
        body["code"] = source_of(code)
        if not isinstance(code, str):
            body.setdefault("handler", f"function.{code.__name__}")
    return Call("PUT", _path(name), DeployedFunction.from_dict, body)


def _list() -> Call[Sequence[DeployedFunction]]:
    return Call("GET", "/v1/functions", partial(_functions, "functions"))


def _get(name: str) -> Call[DeployedFunction]:
    return Call("GET", _path(_bare(name)), DeployedFunction.from_dict, query=_qualified(name))


def _versions(name: str) -> Call[Sequence[DeployedFunction]]:
    return Call("GET", _path(name, "versions"), partial(_functions, "versions"))


def _publish(name: str) -> Call[DeployedFunction]:
    return Call("POST", _path(name, "publish"), DeployedFunction.from_dict)


def _set_alias(name: str, alias: str, version: int) -> Call[DeployedFunction]:
    return Call("PUT", _path(name, "aliases", alias), DeployedFunction.from_dict, {"version": version})


def _delete_alias(name: str, alias: str) -> Call[None]:
    return Call("DELETE", _path(name, "aliases", alias), _nothing)


def _invoke(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, background: bool = False) -> Call[Invocation]:
    body = {**arguments(args, kwargs), **(_qualified(name) or {})}
    return Call("POST", _path(_bare(name), "invoke"), _returned, {**body, "async": True} if background else body)


def _invocation(name: str, id: str, *, stream: bool = False) -> Call[Invocation]:
    query = {"stream": "true"} if stream else None
    return Call("GET", _path(_bare(name), "invocations", id), _returned, query=query)


def _logs(name: str, limit: int) -> Call[Sequence[Invocation]]:
    def read(body: Mapping[str, Any]) -> Sequence[Invocation]:
        return [Invocation.from_dict(each) for each in body["invocations"]]

    return Call("GET", _path(name, "invocations"), read, query={"limit": limit})


def _delete(name: str) -> Call[None]:
    return Call("DELETE", _path(_bare(name)), _nothing, query=_qualified(name))


def _path(name: str, *rest: str) -> str:
    return "/".join(("/v1/functions", *(quote(part, safe="") for part in (name, *rest))))


def _bare(name: str) -> str:
    return name.partition(":")[0]


def _qualified(name: str) -> dict[str, str | int] | None:
    qualifier = name.partition(":")[2]
    return {"qualifier": qualifier} if qualifier else None


def _functions(key: str, body: Mapping[str, Any]) -> Sequence[DeployedFunction]:
    return [DeployedFunction.from_dict(each) for each in body[key]]


def _returned(body: Mapping[str, Any]) -> Invocation:
    return returned(Invocation.from_dict(body))


def _finished(sse: httpx2.ServerSentEvent) -> Invocation | None:
    if sse.event == "error":
        raise rebuilt(json.loads(sse.data)["error"])
    return _returned(json.loads(sse.data)) if sse.event == "finished" else None


def _nothing(_: object) -> None:
    return None
