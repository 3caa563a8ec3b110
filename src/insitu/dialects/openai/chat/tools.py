"""The tools that a request for a chat completion gives the model."""

from __future__ import annotations

from typing import Any

from ....web.parameters import BadParameter, Unsupported
from ....web.shapes import Json
from ....web.tools import RequestTools, callers_of
from ..callers import CODE

SWITCH = "code_interpreter"
"""The type of the tool that runs code, and the name of the member that has code run without it."""


class Tools(RequestTools):
    """The tools of a request, sorted by who calls them.

    Args:
        tools: as the request has them.

    Raises:
        BadParameter: for a tool that is malformed, or not to be had here.
    """

    def __init__(self, tools: Any) -> None:
        super().__init__()
        self._switched = False
        if not isinstance(tools, list | None):
            raise BadParameter("tools", "tools must be a list")
        for index, tool in enumerate(tools or ()):
            self._add(tool, f"tools[{index}]")

    def _add(self, tool: Any, where: str) -> None:
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind == "function":
            self._function(tool, where)
        elif kind != SWITCH or self._switched:
            raise Unsupported(where, f"{where}: beside one {SWITCH} there can be functions, and no {kind!r}")
        else:
            self._switched = True

    def _function(self, tool: Json, where: str) -> None:
        callers = callers_of(tool, where, CODE)
        function = tool.get("function")
        if not (isinstance(function, dict) and isinstance(function.get("name"), str)):
            raise BadParameter(where, f"{where} must have a function with a name")
        # Whatever else there is goes to the model server as it is.
        known = {name: value for name, value in tool.items() if name != "allowed_callers"}
        self.add_function(known, callers, where)

    def choice(self, choice: Any, python: str) -> Any:
        """The choice of a tool in the form of chat completions.

        Args:
            python: how the model knows the tool that runs Python.
        """
        if isinstance(choice, dict) and choice.get("type") == SWITCH:
            return {"type": "function", "function": {"name": python}}
        return choice
