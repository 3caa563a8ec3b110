"""Texts that grow piece by piece."""

from __future__ import annotations

from typing import Any

from ..turn import events as on

_DELTAS = (on.TextDelta, on.ReasoningDelta, on.ClientCallDelta, on.CodeDelta, on.OutputDelta)


class Written:
    """Texts in objects or lists to which pieces come: they are joined once somebody looks, not with each piece."""

    def __init__(self) -> None:
        self._texts: dict[tuple[int, Any], tuple[Any, list[str]]] = {}

    def add(self, place: Any, key: Any, text: str) -> None:
        """Add to the text that ``place`` has under ``key``."""
        self._texts.setdefault((id(place), key), (place, [place[key]]))[1].append(text)

    def settle(self) -> None:
        """Have all of them whole where they belong."""
        for (_, key), (place, pieces) in self._texts.items():
            place[key] = "".join(pieces)
        self._texts.clear()

    def hear(self, event: on.TurnEvent) -> None:
        """The same before anything happens but that more is written."""
        if not isinstance(event, _DELTAS):
            self.settle()
