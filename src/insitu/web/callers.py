"""Who may call a client's functions, and the server's tools: the model itself, or code that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InvalidRequest
from ..tools import ClientTools
from .parameters import BadParameter
from .shapes import Json


def callers_of(tool: Json, where: str, known: Sequence[str]) -> Sequence[str]:
    """Who may call a tool; by default the model alone.

    Args:
        known: the callers that there are; the first is the model.

    Raises:
        BadParameter: if that is malformed.
    """
    callers = tool.get("allowed_callers")
    if callers is None or callers == []:
        return known[:1]
    if not isinstance(callers, list) or not all(caller in known for caller in callers):
        at = f"{where}.allowed_callers"
        raise BadParameter(at, f"{at} must be a list of some of: {', '.join(known)}")
    return callers


def add_for_code(own: ClientTools, function: Json, where: str) -> None:
    """Make a client's function one that code may call.

    Raises:
        BadParameter: if it cannot be called from code.
    """
    about, parameters = function.get("description"), function.get("parameters")
    if not isinstance(about, str | None) or not isinstance(parameters, dict | None):
        raise BadParameter(where, f"{where}: the description must be a string, and the parameters an object")
    try:
        own.add(function["name"], about or "", parameters or {"type": "object", "properties": {}})
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
