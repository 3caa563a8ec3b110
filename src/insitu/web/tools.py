"""The tools of a request, whatever its dialect: who calls the client's functions, the model itself or its code."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidRequest
from ..tools import ClientTools
from .parameters import BadParameter
from .shapes import Json

_DIRECT = "direct"


class RequestTools:
    """The tools of a request, sorted by who calls them; each dialect adds them as it describes them."""

    def __init__(self) -> None:
        self.functions: list[Json] = []
        self._for_code = ClientTools()
        self.for_code = self._for_code.specs
        self.first_for_code = ""

    @property
    def names(self) -> list[str]:
        """The names of the client's own functions, as far as the model calls them itself."""
        return [function["function"]["name"] for function in self.functions]

    def add_function(self, tool: Json, callers: Sequence[str], where: str) -> None:
        """Add one of the client's functions.

        Args:
            tool: as chat completions describe it.
            callers: who may call it.
            where: where it stands in the request.

        Raises:
            BadParameter: if code is to call it, and cannot.
        """
        if _DIRECT in callers:
            self.functions.append(tool)
        if set(callers) - {_DIRECT}:
            self.first_for_code = self.first_for_code or f"{where}.allowed_callers"
            self._add_for_code(tool["function"], where)

    def _add_for_code(self, function: Json, where: str) -> None:
        about, parameters = function.get("description"), function.get("parameters")
        if not isinstance(about, str | None) or not isinstance(parameters, dict | None):
            raise BadParameter(where, f"{where}: the description must be a string, and the parameters an object")
        try:
            self._for_code.add(function["name"], about or "", parameters or {"type": "object", "properties": {}})
        except InvalidRequest as exc:
            raise BadParameter(where, f"{where}: {exc.message}") from None


def callers_of(tool: Json, where: str, code: Sequence[str]) -> Sequence[str]:
    """Who may call a tool; by default the model alone.

    Args:
        code: the dialect's words for the code that the model writes.

    Raises:
        BadParameter: if that is malformed.
    """
    callers, known = tool.get("allowed_callers"), (_DIRECT, *code)
    if callers is None or callers == []:
        return (_DIRECT,)
    if not isinstance(callers, list) or not all(caller in known for caller in callers):
        at = f"{where}.allowed_callers"
        raise BadParameter(at, f"{at} must be a list of some of: {', '.join(known)}")
    return callers
