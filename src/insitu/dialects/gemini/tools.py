"""The tools of a request in Google's form: code that runs here, and functions of the client's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...web.parameters import BadParameter, Unsupported
from .casing import Json, has, member
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
)
_MODES = {"MODE_UNSPECIFIED": "auto", "AUTO": "auto", "VALIDATED": "auto", "NONE": "none", "ANY": "required"}


@dataclass(slots=True)
class Tools:
    """The tools of a request.

    Args:
        code: whether the model may run code.
        functions: the client's own, as chat completions have them.
        choice: likewise.
    """

    code: bool = False
    functions: list[Json] = field(default_factory=list)
    choice: Any = None

    @property
    def names(self) -> list[str]:
        """The names of the client's functions."""
        return [function["function"]["name"] for function in self.functions]


def read_tools(body: Json) -> Tools:
    """The tools of a request.

    Raises:
        BadParameter: for a tool that is malformed, or not to be had here.
    """
    tools = Tools()
    for index, tool in enumerate(_list(member(body, "tools"), "tools")):
        _add(tools, tool, f"tools[{index}]")
    config = member(body, "tool_config")
    if config is not None:
        _choose(tools, config)
    return tools


def _add(tools: Tools, tool: Any, where: str) -> None:
    if not isinstance(tool, dict):
        raise BadParameter(where, f"{where} must be an object")
    if found := next((name for name in _ELSEWHERE if has(tool, name)), None):
        raise Unsupported(f"{where}.{found}", f"{where}: {found} is not to be had here: only Google's servers do it")
    tools.code = tools.code or has(tool, "code_execution")
    declarations = _list(member(tool, "function_declarations"), f"{where}.functionDeclarations")
    tools.functions += [
        _function(each, f"{where}.functionDeclarations[{number}]") for number, each in enumerate(declarations)
    ]


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


def _choose(tools: Tools, config: Any) -> None:
    calling = member(config, "function_calling_config") if isinstance(config, dict) else config
    if calling is None:
        return
    mode = calling.get("mode", "AUTO") if isinstance(calling, dict) else None
    if not isinstance(calling, dict) or not isinstance(mode, str) or mode not in _MODES:
        where = "toolConfig.functionCallingConfig"
        raise BadParameter(where, f"{where}.mode must be one of: {', '.join(_MODES)}")
    tools.choice = _MODES[mode]
    allowed = _list(member(calling, "allowed_function_names"), "toolConfig.functionCallingConfig.allowedFunctionNames")
    if allowed:
        _narrow(tools, allowed)
    if tools.choice == "auto":
        tools.choice = None


def _narrow(tools: Tools, allowed: Sequence[Any]) -> None:
    names, kept = set(tools.names), {str(name) for name in allowed}
    if unknown := next((name for name in kept if name not in names), None):
        raise BadParameter("toolConfig", f"there is no function {unknown[:64]!r} among the tools")
    tools.functions = [each for each in tools.functions if each["function"]["name"] in kept]
    if tools.choice == "required" and len(tools.functions) == 1:
        tools.choice = {"type": "function", "function": {"name": tools.names[0]}}


def _list(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadParameter(where, f"{where} must be a list")
    return value
