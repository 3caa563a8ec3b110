"""The tools that a request for a response gives the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....web.parameters import BadParameter, Unsupported
from ....web.shapes import Json
from ....web.tools import RequestTools, callers_of
from ..callers import CODE
from ..places import ContainerWish, container_wish, environment_wish

TYPES: Mapping[str, str] = {"python": "code_interpreter", "shell": "shell"}
"""The types of the tools that run here, by their kinds."""

_JAVASCRIPT = (
    "programmatic tool calling runs JavaScript, and this server runs Python: "
    "give the model the code_interpreter tool instead"
)


class Tools(RequestTools):
    """The tools of a request, sorted by who runs them; ``places`` has where those that run here are to run.

    Raises:
        BadParameter: for a tool that is malformed, or not to be had here.
    """

    def __init__(self, tools: Sequence[Json]) -> None:
        super().__init__()
        self.places: dict[str, ContainerWish] = {}
        for index, tool in enumerate(tools):
            self._add(tool, f"tools[{index}]")
        if self.for_code and "python" not in self.places:
            raise BadParameter(self.first_for_code, f"there is no code_interpreter among the tools; {_JAVASCRIPT}")

    @property
    def kinds(self) -> list[str]:
        """The kinds of those that run here, always in the same order."""
        return [kind for kind in TYPES if kind in self.places]

    def _add(self, tool: Json, where: str) -> None:
        callers = callers_of(tool, where, CODE)
        if "programmatic" in callers and tool.get("type") != "function":
            raise Unsupported(f"{where}.allowed_callers", _JAVASCRIPT)
        match tool.get("type"):
            case "code_interpreter":
                self.places["python"] = container_wish(tool.get("container"), f"{where}.container")
            case "shell":
                self.places["shell"] = environment_wish(tool.get("environment"), f"{where}.environment")
            case "function":
                self.add_function(_function(tool, where), callers, where)
            case "programmatic_tool_calling":
                raise Unsupported(where, _JAVASCRIPT)
            case other:
                raise Unsupported(
                    f"{where}.type",
                    f"{where}: the tool {str(other)[:64]!r} is not to be had here; "
                    "there are code_interpreter, shell and function",
                )

    def choice(self, choice: str | Json | None, names: Mapping[str, str]) -> Any:
        """The choice of a tool in the form of chat completions; may narrow the tools.

        Args:
            names: how the model knows the tools ``python`` and ``shell``.
        """
        if choice is None or choice in ("auto", "none", "required"):
            return choice
        kind = choice.get("type") if isinstance(choice, dict) else choice
        if isinstance(choice, dict) and kind == "allowed_tools":
            return self._allowed(choice)
        name = {TYPES[own]: called for own, called in names.items()}.get(str(kind))
        if isinstance(choice, dict) and kind == "function":
            name = str(choice.get("name"))
        if name not in {*self.names, *(names[kind] for kind in self.places)}:
            raise BadParameter("tool_choice", f"tool_choice names no tool of this request: {str(choice)[:200]}")
        return {"type": "function", "function": {"name": name}}

    def _allowed(self, choice: Json) -> str:
        allowed = choice.get("tools")
        if not isinstance(allowed, list) or not all(isinstance(tool, dict) for tool in allowed):
            raise BadParameter("tool_choice.tools", "tool_choice.tools must be a list of tools")
        kinds = {str(tool.get("type")) for tool in allowed}
        named = {str(tool.get("name")) for tool in allowed}
        self.functions = [function for function in self.functions if function["function"]["name"] in named]
        self.places = {kind: wish for kind, wish in self.places.items() if TYPES[kind] in kinds}
        return "required" if choice.get("mode") == "required" else "auto"


def _function(tool: Json, where: str) -> Json:
    if not isinstance(tool.get("name"), str) or not tool["name"]:
        raise BadParameter(f"{where}.name", f"{where}: a function must have a name")
    known = ("name", "description", "parameters", "strict")
    function = {name: tool[name] for name in known if tool.get(name) is not None}
    return {"type": "function", "function": function}
