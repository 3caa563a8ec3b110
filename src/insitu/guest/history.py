"""`In`, `Out`, `_`, `__`, `___` and `_1`, `_2` …"""

from __future__ import annotations

import linecache
from typing import Any

_MOST_OUTPUTS = 20
_MOST_INPUTS = 500


class History:
    """What earlier cells were and gave; the older ones are let go, so that no large value is held unseen.

    Args:
        namespace: the user's.
        inputs: becomes `In`: the source of cell n at n.
        outputs: becomes `Out`: its result.
    """

    def __init__(self, namespace: dict[str, Any], inputs: list[str], outputs: dict[int, Any]) -> None:
        self._namespace = namespace
        self._inputs = inputs
        self._outputs = outputs
        self._last: tuple[Any, ...] = ("", "", "")
        namespace.update({"In": inputs, "Out": outputs, "_": "", "__": "", "___": ""})

    def add_input(self, number: int, source: str) -> None:
        """Note the source of cell ``number``."""
        self._inputs[number:] = [source]
        if number > _MOST_INPUTS:
            old = number - _MOST_INPUTS
            self._inputs[old : old + 1] = [""]
            linecache.cache.pop(cell_name(old), None)

    def add_output(self, number: int, value: Any) -> None:
        """Note the result of cell ``number``, and give it its names."""
        if value is self._outputs:
            return
        self._shift(value)
        self._outputs[number] = value
        self._namespace[f"_{number}"] = value
        while len(self._outputs) > _MOST_OUTPUTS:
            oldest = next(iter(self._outputs))
            del self._outputs[oldest]
            self._namespace.pop(f"_{oldest}", None)

    def clear(self) -> None:
        """Forget all cells."""
        for number in range(1, len(self._inputs)):
            linecache.cache.pop(cell_name(number), None)
        del self._inputs[1:]
        self._outputs.clear()
        self._last = ("", "", "")

    def _shift(self, value: Any) -> None:
        names = ("_", "__", "___")
        # Code that uses `_` itself, as a loop's variable or gettext's function, keeps it.
        kept = all(self._namespace.get(name, last) is last for name, last in zip(names, self._last))
        self._last = (value, *self._last[:2])
        if kept:
            self._namespace.update(zip(names, self._last))


def cell_name(number: int) -> str:
    """Return the file name under which cell ``number`` is compiled."""
    return f"<cell {number}>"
