"""Who may call a client's function: the model itself, or code that it writes, or both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...engine import ToolSpec
from ...errors import InvalidRequest
from ...tools import client_tool
from ...web.parameters import BadParameter
from .shapes import Json

# The second is OpenAI's word, which its clients know; its own programs are JavaScript, and here they are Python.
_CODE = ("code_interpreter", "programmatic")
CALLERS = ("direct", *_CODE)


def callers_of(tool: Json, where: str) -> Sequence[str]:
    """Who may call a tool; by default the model alone.

    Raises:
        BadParameter: if that is malformed.
    """
    callers = tool.get("allowed_callers")
    if callers is None or callers == []:
        return ("direct",)
    if not isinstance(callers, list) or not all(caller in CALLERS for caller in callers):
        at = f"{where}.allowed_callers"
        raise BadParameter(at, f"{at} must be a list of some of: {', '.join(CALLERS)}")
    return callers


def by_code(callers: Sequence[str]) -> bool:
    """Whether code is among them."""
    return any(caller in _CODE for caller in callers)


def for_code(function: Json, where: str) -> ToolSpec:
    """A client's function as code sees it.

    Raises:
        BadParameter: if it cannot be called from code.
    """
    about, parameters = function.get("description"), function.get("parameters")
    if not isinstance(about, str | None) or not isinstance(parameters, dict | None):
        raise BadParameter(where, f"{where}: the description must be a string, and the parameters an object")
    try:
        return client_tool(function["name"], about or "", parameters or {"type": "object", "properties": {}})
    except InvalidRequest as exc:
        raise BadParameter(where, f"{where}: {exc.message}") from None


def names_of_tools(wish: Any, where: str = "insitu.tools") -> list[str] | None:
    """The names of the server's tools that a request grants to code; None if it says nothing of them.

    Raises:
        BadParameter: if they are no names.
    """
    if wish is None or (isinstance(wish, list) and all(isinstance(name, str) for name in wish)):
        return wish
    raise BadParameter(where, f'{where} must be a list of names of tools, or ["*"] for all of them')
