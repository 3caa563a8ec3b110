"""The tools of a request in Google's form: code that runs here, and functions of the client's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json
from ...web.tools import RequestTools
from .casing import has, member
from .schemas import json_schema

_ELSEWHERE = (
    "google_search",
    "google_search_retrieval",
    "google_maps",
    "url_context",
    "file_search",
    "computer_use",
    "retrieval",
    "enterprise_web_search",
    "mcp_servers",
    "parallel_ai_search",
    "exa_ai_search",
)
_MODES = {"MODE_UNSPECIFIED": "auto", "AUTO": "auto", "VALIDATED": "auto", "NONE": "none", "ANY": "required"}


class Tools(RequestTools):
    """The tools of a request, sorted by who runs them.

    Args:
        tools: as the request has them.

    Raises:
        BadParameter: for a tool that is malformed, or not to be had here.
    """

    def __init__(self, tools: Any) -> None:
        super().__init__()
        self.python = False
        for index, tool in enumerate(_list(tools, "tools")):
            self._add(tool, f"tools[{index}]")

    def _add(self, tool: Any, where: str) -> None:
        if not isinstance(tool, dict):
            raise BadParameter(where, f"{where} must be an object")
        if found := next((name for name in _ELSEWHERE if has(tool, name)), None):
            raise Unsupported(
                f"{where}.{found}", f"{where}: {found} is not to be had here: only Google's servers do it"
            )
        code = member(tool, "code_execution")
        if not isinstance(code, dict | None):
            raise BadParameter(f"{where}.codeExecution", f"{where}.codeExecution must be an object")
        self.python = self.python or code is not None
        where = f"{where}.functionDeclarations"
        declared = _list(member(tool, "function_declarations"), where)
        for number, each in enumerate(declared):
            self.add_function(_function(each, f"{where}[{number}]"), ("direct",), f"{where}[{number}]")

    def choice(self, config: Any) -> Any:
        """The choice of a tool in the form of chat completions; may narrow the functions.

        Args:
            config: the member ``toolConfig``.

        Raises:
            BadParameter: if it is malformed, or names no function of this request.
        """
        calling = member(config, "function_calling_config") if isinstance(config, dict) else config
        if calling is None:
            return None
        mode = calling.get("mode", "AUTO") if isinstance(calling, dict) else None
        where = "toolConfig.functionCallingConfig"
        if not isinstance(calling, dict) or not isinstance(mode, str) or mode not in _MODES:
            raise BadParameter(where, f"{where}.mode must be one of: {', '.join(_MODES)}")
        if allowed := _list(member(calling, "allowed_function_names"), f"{where}.allowedFunctionNames"):
            self._narrow(allowed)
        if not self.functions or _MODES[mode] == "auto":
            return None
        if allowed and _MODES[mode] == "required" and len(self.functions) == 1:
            return {"type": "function", "function": {"name": self.names[0]}}
        return _MODES[mode]

    def _narrow(self, allowed: Sequence[Any]) -> None:
        names, kept = set(self.names), {str(name) for name in allowed}
        if unknown := next((name for name in kept if name not in names), None):
            raise BadParameter("toolConfig", f"there is no function {unknown[:64]!r} among the tools")
        self.functions = [each for each in self.functions if each["function"]["name"] in kept]


def _function(declared: Any, where: str) -> Json:
    if not isinstance(declared, dict) or not isinstance(declared.get("name"), str) or not declared["name"]:
        raise BadParameter(where, f"{where} must be an object with a name")
    function: Json = {"name": declared["name"]}
    if isinstance(about := declared.get("description"), str):
        function["description"] = about
    schema = member(declared, "parameters_json_schema")
    parameters = member(declared, "parameters") if schema is None else schema
    if parameters is not None:
        if not isinstance(parameters, dict):
            raise BadParameter(where, f"{where}: the parameters must be a schema")
        function["parameters"] = json_schema(parameters) if schema is None else schema
    return {"type": "function", "function": function}


def _list(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadParameter(where, f"{where} must be a list")
    return value
