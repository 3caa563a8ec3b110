"""The tools that code may call: `tools.search(query="…")`, and `await tools.search.aio(query="…")`."""

from __future__ import annotations

import builtins
import inspect
import json
import keyword
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any, Callable

from . import values

_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
    "null": "None",
}
# The host takes no more.
_MOST_ARGUMENTS = (8 << 20) - 4096

Send = Callable[[str, str], int]


class ToolError(RuntimeError):
    """Raised when a tool fails, or may not be called so.

    It is an instance of the built-in exception that the tool raised, too: ``except ValueError`` meets it.
    """


ToolError.__module__ = "builtins"


class Host:
    """How calls reach the host.

    Args:
        send: takes a tool's name and its arguments as JSON; returns the call's number.
        wait: waits for the answer to a call.
        wait_async: the same, on an event loop.
    """

    def __init__(self, send: Send, wait: Callable[[int], bytes], wait_async: Callable[[int], Awaitable[bytes]]) -> None:
        self.send, self.wait, self.wait_async = send, wait, wait_async


class Tool:
    """A function on the server; ``await tool.aio(…)`` calls it so that others can run meanwhile.

    Args:
        declared: its name, description and the JSON schema of its arguments.
    """

    def __init__(self, host: Host, declared: Mapping[str, Any]) -> None:
        self._host = host
        self._name = str(declared["name"])
        schema = declared.get("parameters") or {}
        self.__name__ = self.__qualname__ = self._name
        self.__signature__ = _signature(schema)
        self.__doc__ = _doc(str(declared.get("description") or ""), schema)
        self.schema = schema

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        number = self._host.send(self._name, self._arguments(args, kwargs))
        return _outcome(self._host.wait(number))

    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """Call it without holding up the event loop."""
        number = self._host.send(self._name, self._arguments(args, kwargs))
        return _outcome(await self._host.wait_async(number))

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        if len(args) == 1 and not kwargs and isinstance(args[0], dict):
            named = args[0]  # as one object, in the way that models know from other tools
        else:
            try:
                bound = self.__signature__.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise TypeError(f"tools.{self._name}{self.__signature__}: {error}") from None
            named = {**bound, **bound.pop("more", {})} if "more" in bound else bound
        return values.dumps(dict(named), _MOST_ARGUMENTS)

    def __repr__(self) -> str:
        return f"<tool {self._name}{self.__signature__}>"


class Tools:
    """What this code may call; `help(tools.name)` says how."""

    def __init__(self, host: Host, declared: list[Mapping[str, Any]]) -> None:
        self._tools = {str(each["name"]): Tool(host, each) for each in declared}
        self._names = {_identifier(name): name for name in self._tools}
        self.Error = ToolError

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

    def __dir__(self) -> list[str]:
        return ["Error", *self._names]

    def __repr__(self) -> str:
        return "\n".join(["tools:", *(f"  {tool.__name__}{tool.__signature__}" for tool in self)])


def _identifier(name: str) -> str:
    made = "".join(letter if letter.isalnum() else "_" for letter in name)
    return f"_{made}" if made[:1].isdigit() or keyword.iskeyword(made) or not made else made


def _signature(schema: Mapping[str, Any]) -> inspect.Signature:
    properties = schema.get("properties") or {}
    required = schema.get("required") or []
    parameters, kind = [], inspect.Parameter.POSITIONAL_OR_KEYWORD
    for name in sorted(properties, key=lambda name: name not in required):
        if not name.isidentifier() or keyword.iskeyword(name):
            continue  # goes by `tool({"a-name": …})` alone
        about = properties[name] if isinstance(properties[name], dict) else {}
        default = inspect.Parameter.empty if name in required else about.get("default", _OMITTED)
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=_Named(_type(about))))
    if not properties:
        parameters.append(inspect.Parameter("more", inspect.Parameter.VAR_KEYWORD))
    return inspect.Signature(parameters)


class _Named:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


_OMITTED = _Named("...")


def _type(about: Mapping[str, Any]) -> str:
    if "enum" in about:
        return f"Literal[{', '.join(map(repr, about['enum']))}]"
    kind = about.get("type")
    if isinstance(kind, list):
        return " | ".join(_TYPES.get(str(one), "Any") for one in kind)
    if kind == "array" and isinstance(about.get("items"), dict):
        return f"list[{_type(about['items'])}]"
    return _TYPES.get(str(kind), "Any")


def _doc(description: str, schema: Mapping[str, Any]) -> str:
    lines = [description.strip()] if description else []
    about = {name: each for name, each in (schema.get("properties") or {}).items() if isinstance(each, dict)}
    if told := [f"    {name}: {each['description']}" for name, each in about.items() if each.get("description")]:
        lines += ["", "Args:", *told]
    return "\n".join(lines)


def _outcome(payload: bytes) -> Any:
    answer = json.loads(payload)
    if "error" not in answer:
        return values.decode(answer.get("value"))
    error = answer["error"]
    raise _exception(str(error.get("name")))(str(error.get("message")))


def _exception(name: str) -> type[Exception]:
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return type(name, (ToolError, kind), {"__module__": "builtins"})
        except TypeError:
            pass  # one with a layout of its own, as OSError
    return ToolError
