"""Who may call a client's function: the model itself, or code that it writes, or both."""

from __future__ import annotations

from collections.abc import Sequence

from ...web.parameters import BadParameter
from ...web.shapes import Json

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
