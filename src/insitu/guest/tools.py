"""The tools that code may call: `tools.search(query="…")`, and `await tools.search.aio(query="…")`."""

from __future__ import annotations

import builtins
import functools
import inspect
import json
from collections.abc import Awaitable, Iterable, Iterator, Mapping
from typing import Any, Callable

from . import values
from .line import ToolError
from .stubs import document, identifier, properties_of, signature_of

# The host takes no more.
_MOST_ARGUMENTS = (8 << 20) - 4096
# Those that mean something where they are raised: they would end the loop, or the coroutine, that is nearest.
_MEANT_FOR_PYTHON = (StopIteration, StopAsyncIteration)


class Host:
    """How calls reach the host.

    Args:
        send: takes a tool's name and its arguments as JSON; returns what stands for the call.
        wait: waits for the answer to it, which is JSON.
        wait_async: the same, on an event loop.
    """

    def __init__(
        self,
        send: Callable[[str, str], Any],
        wait: Callable[[Any], bytes],
        wait_async: Callable[[Any], Awaitable[bytes]],
    ) -> None:
        self.send, self.wait, self.wait_async = send, wait, wait_async


class Tool:
    """A function on the server; ``await tool.aio(…)`` calls it so that others can run meanwhile.

    Args:
        declared: its name, description, the JSON schema of its arguments, and the type of what it returns as text.
    """

    def __init__(self, host: Host, declared: Mapping[str, Any]) -> None:
        self._host = host
        self._name = str(declared["name"])
        self.schema = declared.get("parameters") or {}
        self.__name__ = self.__qualname__ = self._name
        self.__signature__ = signature_of(self.schema, declared.get("returns"))
        self.__doc__ = document(declared.get("description"), self.schema)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return _outcome(self._host.wait(self._host.send(self._name, self._arguments(args, kwargs))))

    async def aio(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call it without holding up the event loop."""
        return _outcome(await self._host.wait_async(self._host.send(self._name, self._arguments(args, kwargs))))

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        named = args[0] if len(args) == 1 and not kwargs and self._is_all(args[0]) else self._bound(args, kwargs)
        return values.dumps(named, _MOST_ARGUMENTS)

    def _is_all(self, value: Any) -> bool:
        # All arguments as one object is the way that models know from other tools.
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            return False
        first = next(iter(self.__signature__.parameters.values()), None)
        takes_object = first is not None and repr(first.annotation) in ("dict", "Any")
        return not takes_object or set(value) <= set(properties_of(self.schema))

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        try:
            bound = self.__signature__.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"tools.{identifier(self._name)}{self.__signature__}: {error}") from None
        named: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            if self.__signature__.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                named.update(value)
            else:
                named[name] = value
        return named

    def __repr__(self) -> str:
        return f"<tool {self._name}{self.__signature__}>"

    def __get__(self, instance: Any, owner: Any = None) -> Tool:
        # Not bound to anything; but what has this is shown by help() as a function is.
        return self

    def __reduce__(self) -> Any:
        raise TypeError("tools cannot be pickled: only the process that the code runs in can call them")

    def __copy__(self) -> Tool:
        return self

    def __deepcopy__(self, memo: Any) -> Tool:
        return self


class Tools:
    """What this code may call; `help(tools.name)` says how."""

    Error = ToolError

    def __init__(self, host: Host, declared: Iterable[Mapping[str, Any]]) -> None:
        self._tools = {str(each["name"]): Tool(host, each) for each in declared}
        # Whose name is an identifier comes first, if another's becomes the same.
        self._names = {identifier(name): name for name in sorted(self._tools, key=str.isidentifier)}

    def __getattr__(self, name: str) -> Tool:
        known = self.__dict__.get("_names", {})
        if name in known:
            found: Tool = self._tools[known[name]]
            return found
        raise AttributeError(f"there is no tool {name!r}; there are: {', '.join(sorted(known)) or 'none'}")

    def __getitem__(self, name: str) -> Tool:
        if name not in self._tools:
            raise KeyError(f"there is no tool {name!r}; there are: {', '.join(sorted(self._tools)) or 'none'}")
        return self._tools[name]

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __dir__(self) -> list[str]:
        return sorted({"Error", *self._names})

    def __repr__(self) -> str:
        return "\n".join(["tools:", *(f"  {tool.__name__}{tool.__signature__}" for tool in self)])

    def __reduce__(self) -> Any:
        raise TypeError("tools cannot be pickled: only the process that the code runs in can call them")


def _outcome(payload: bytes) -> Any:
    answer = json.loads(payload)
    if "error" not in answer:
        return values.decode(answer.get("value"))
    error = answer["error"]
    raise _failure(str(error.get("name")), str(error.get("message")))


def _failure(name: str, message: str) -> Exception:
    kind = _kind(name)
    return kind(message if kind.__name__ == name or name == "Error" else f"{name}: {message}")


@functools.lru_cache(maxsize=256)
def _kind(name: str) -> type[Exception]:
    """What is both, the built-in exception of a name and the error of a tool; or the next in its family that can be."""
    found = getattr(builtins, name, None)
    family = found.__mro__ if isinstance(found, type) and issubclass(found, Exception) else ()
    for kind in family:
        if issubclass(kind, Exception) and not issubclass(kind, _MEANT_FOR_PYTHON) and kind is not Exception:
            made: type[Exception] = type(kind.__name__, (ToolError, kind), {"__module__": "builtins"})
            if _takes_a_message(made):
                return made
    return ToolError


def _takes_a_message(kind: type[Exception]) -> bool:
    try:
        return "message" in str(kind("message"))
    except TypeError:
        return False
