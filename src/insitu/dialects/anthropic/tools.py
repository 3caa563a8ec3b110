"""The tools that a request for a message gives the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...turn.tools import Kind
from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json
from ...web.tools import RequestTools, callers_of
from .client_tools import CLIENT_TOOLS

CODE = "code_execution"
# What each version of the tool offers, and the type of the caller that the client is told of: some clients fail at
# any other than these two.
_CALLER, _LATER_CALLER = "code_execution_20250825", "code_execution_20260120"
_PYTHON: tuple[Kind, ...] = ("python",)
_ALL: tuple[Kind, ...] = ("python", "shell", "editor")
_VERSIONS: dict[str, tuple[tuple[Kind, ...], str]] = {
    "code_execution_20250522": (_PYTHON, _CALLER),
    "code_execution_20250825": (_ALL, _CALLER),
    "code_execution_20260120": (_ALL, _LATER_CALLER),
    "code_execution_20260521": (_ALL, _LATER_CALLER),
}
# The first version's code calls nothing.
_CALLERS = tuple(version for version in _VERSIONS if version != "code_execution_20250522")
# Caching, deferring and examples are hints, without effect here.
_MEMBERS = frozenset({"type", "name", "allowed_callers", "cache_control", "defer_loading", "strict"})
_OF_CLIENT_TOOLS = _MEMBERS | {"input_examples", "max_characters"}
_OF_CUSTOM = _MEMBERS | {"description", "input_schema", "input_examples", "eager_input_streaming"}


class Tools(RequestTools):
    """The tools of a request, sorted by who runs them.

    Args:
        tools: as the request has them.

    Raises:
        BadParameter: for a tool that is malformed, or not to be had here.
    """

    def __init__(self, tools: Sequence[Json]) -> None:
        super().__init__()
        self.kinds: tuple[Kind, ...] = ()
        self.caller = _CALLER
        self.eager: set[str] = set()
        self._code = ""
        for index, tool in enumerate(tools):
            self._add(tool, f"tools.{index}")
        if len({str(tool["name"]) for tool in tools}) < len(tools):
            raise BadParameter("tools", "tools: Tool names must be unique.")
        if self.for_code and self._code not in _CALLERS:
            where = self.first_for_code
            raise BadParameter(where, f"{where}: there is no {CODE} tool whose code could call it")

    def _add(self, tool: Json, where: str) -> None:
        kind = str(tool.get("type") or "custom")
        if kind in _VERSIONS:
            _check_members(tool, kind, _MEMBERS, where)
            _check_name(tool, CODE, f"{where}.{kind}.name")
            callers_of(tool, where, _CALLERS)
            self._code, (self.kinds, self.caller) = kind, _VERSIONS[kind]
        elif kind == "custom":
            _check_members(tool, kind, _OF_CUSTOM, where)
            self._function(tool, {"parameters": tool.get("input_schema")}, where)
        elif kind in CLIENT_TOOLS:
            _check_members(tool, kind, _OF_CLIENT_TOOLS, where)
            _check_name(tool, CLIENT_TOOLS[kind]["name"], f"{where}.{kind}.name")
            self._function(tool, CLIENT_TOOLS[kind], where)
        else:
            raise Unsupported(
                f"{where}.type",
                f"{where}: the tool {kind[:64]!r} is not to be had here; there are "
                f"{', '.join([*_VERSIONS, *CLIENT_TOOLS])} and the client's own",
            )

    def _function(self, tool: Json, known: Json, where: str) -> None:
        name, parameters = tool.get("name"), known["parameters"]
        if not isinstance(name, str) or not name:
            raise BadParameter(f"{where}.name", f"{where}.name must be a string that is not empty")
        if not isinstance(parameters, dict):
            raise BadParameter(f"{where}.input_schema", f"{where}.input_schema must be an object")
        more = {key: tool[key] for key in ("description", "strict") if tool.get(key) is not None}
        function = {"type": "function", "function": {**known, "name": name, **more}}
        self.add_function(function, callers_of(tool, where, _CALLERS), where)
        if tool.get("eager_input_streaming"):
            self.eager.add(name)

    def choice(self, choice: Json | None, python: str) -> Any:
        """The choice of a tool in the form of chat completions.

        Args:
            python: how the model knows the tool that runs Python.

        Raises:
            BadParameter: if it is malformed, or names no tool of this request.
        """
        match (choice or {"type": "auto"}).get("type"):
            case "auto":
                return None
            case "none":
                return "none" if self.functions or self.kinds else None
            case "any" if self.functions or self.kinds:
                return "required"
            case "tool" if choice:
                return {"type": "function", "function": {"name": self._chosen(choice.get("name"), python)}}
        raise BadParameter("tool_choice", "tool_choice.type must be one of: auto, any, tool, none; any needs tools")

    def _chosen(self, name: object, python: str) -> str:
        if isinstance(name, str) and name in self.names:
            return name
        if name == CODE and self.kinds:
            return python
        raise BadParameter("tool_choice", f"tool_choice names no tool of this request: {str(name)[:64]!r}")


def _check_members(tool: Json, kind: str, known: frozenset[str], where: str) -> None:
    if unknown := next((member for member in tool if member not in known), None):
        at = f"{where}.{kind}.{unknown[:64]}"
        # Word for word as Anthropic says it: there are clients that then leave the member out, and ask again.
        raise BadParameter(at, f"{at}: Extra inputs are not permitted")


def _check_name(tool: Json, name: str, at: str) -> None:
    if tool.get("name") != name:
        wrong = f"Input should be '{name}'" if tool.get("name") is not None else "Field required"
        raise BadParameter(at, f"{at}: {wrong}")
