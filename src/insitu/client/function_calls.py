"""Every call of the HTTP API that is about deployed functions, as a value. No network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from insitu.crossing import arguments, returned
from insitu.options import SizeOptions, SmallContent, given
from insitu.sources import source_of
from insitu.types import DeployedFunction, Invocation

from .calls import Call, inline_files, with_limits

T = TypeVar("T")
# So many functions or versions are asked for at once.
PART = 100
_MOST_IN_PART = 1000

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


def deploy(name: str, code: Code, options: FunctionOptions) -> Call[DeployedFunction]:
    """Deploy a function."""
    body = with_limits(given(options), without=("timeout_s",))
    if isinstance(code, Mapping):
        body["files"] = inline_files(code)
    else:
        body["code"] = source_of(code)
        if not isinstance(code, str):
            body.setdefault("handler", f"function.{code.__name__}")
    return Call("PUT", _path(name), DeployedFunction.from_dict, body)


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A part of a list, and whether there is more of it to be asked for."""

    data: Sequence[T]
    has_more: bool


def listing(found: Sequence[DeployedFunction]) -> Call[Part[DeployedFunction]]:
    """The functions behind those that were found."""
    after = {"after": found[-1].name} if found else {}
    return Call("GET", "/v1/functions", partial(_functions, "functions"), query={"limit": PART, **after})


def get(name: str) -> Call[DeployedFunction]:
    """One function, or a version of it."""
    return Call("GET", _path(bare(name)), DeployedFunction.from_dict, query=_qualified(name))


def versions(name: str, found: Sequence[DeployedFunction]) -> Call[Part[DeployedFunction]]:
    """The versions of a function behind those that were found."""
    after = {"after": found[-1].version or 0} if found else {}
    return Call("GET", _path(name, "versions"), partial(_functions, "versions"), query={"limit": PART, **after})


def publish(name: str) -> Call[DeployedFunction]:
    """Make a version of the newest revision."""
    return Call("POST", _path(name, "publish"), DeployedFunction.from_dict)


def set_alias(name: str, alias: str, version: int) -> Call[DeployedFunction]:
    """Have an alias name a version."""
    return Call("PUT", _path(name, "aliases", alias), DeployedFunction.from_dict, {"version": version})


def delete_alias(name: str, alias: str) -> Call[None]:
    """Delete an alias."""
    return Call("DELETE", _path(name, "aliases", alias), _nothing)


def invoke(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, background: bool = False) -> Call[Invocation]:
    """Call a function."""
    body = {**arguments(args, kwargs), **(_qualified(name) or {})}
    return Call("POST", _path(bare(name), "invoke"), returned_by, {**body, "async": True} if background else body)


def invocation(name: str, id: str, *, stream: bool = False) -> Call[Invocation]:
    """What has become of an invocation."""
    query = {"stream": "true"} if stream else None
    return Call("GET", _path(bare(name), "invocations", id), returned_by, query=query)


def logs(name: str, limit: int, found: Sequence[Invocation]) -> Call[Part[Invocation]]:
    """The last invocations, ``limit`` in all, behind those that were found."""
    left = limit - len(found)

    def read(body: Mapping[str, Any]) -> Part[Invocation]:
        data = [Invocation.from_dict(each) for each in body["invocations"]]
        return Part(data, bool(body.get("has_more")) and 0 < len(data) < left)

    after = {"after": found[-1].id} if found else {}
    return Call("GET", _path(name, "invocations"), read, query={"limit": min(left, _MOST_IN_PART), **after})


def delete(name: str) -> Call[None]:
    """Delete a function, or a version."""
    return Call("DELETE", _path(bare(name)), _nothing, query=_qualified(name))


def _path(name: str, *rest: str) -> str:
    return "/".join(("/v1/functions", *(quote(part, safe="") for part in (name, *rest))))


def bare(name: str) -> str:
    """A function's name without a version or an alias."""
    return name.partition(":")[0]


def _qualified(name: str) -> dict[str, str | int] | None:
    qualifier = name.partition(":")[2]
    return {"qualifier": qualifier} if qualifier else None


def _functions(key: str, body: Mapping[str, Any]) -> Part[DeployedFunction]:
    data = [DeployedFunction.from_dict(each) for each in body[key]]
    return Part(data, bool(body.get("has_more") and data))


def returned_by(body: Mapping[str, Any]) -> Invocation:
    """An invocation, whose result is a Python value."""
    return returned(Invocation.from_dict(body))


def _nothing(_: object) -> None:
    return None
