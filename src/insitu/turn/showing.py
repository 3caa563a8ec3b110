"""What the code of one turn may show, over all its calls: each byte of it is kept, stored and sent several times."""

from __future__ import annotations

from dataclasses import replace

from ..types import MIB, Execution
from .editing import Created, Edit, Viewed

_FIGURES_BYTES = 32 * MIB
_OUTPUT_CHARS = 32 * MIB
NO_MORE = "[no more output is shown: this turn has shown all that it may]"


class Showing:
    """Counts what a turn has shown."""

    def __init__(self) -> None:
        self._figures_left = _FIGURES_BYTES
        self._live_left = _OUTPUT_CHARS
        self._output_left = _OUTPUT_CHARS

    def admits_figure(self, png: bytes) -> bool:
        """Count a figure; whether it may be shown."""
        fits = len(png) <= self._figures_left
        self._figures_left -= len(png) if fits else 0
        return fits

    def live(self, text: str) -> str:
        """What to show of some output while code runs."""
        if self._live_left <= 0:
            return ""
        self._live_left -= len(text)
        return text if self._live_left > 0 else f"{text}\n{NO_MORE}"

    def ended(self, execution: Execution) -> Execution:
        """An execution as it is shown in the end."""
        chars = sum(map(len, (execution.stdout, execution.stderr, *(r.text or "" for r in execution.results))))
        return execution if self._admits(chars) else replace(execution, stdout=NO_MORE, stderr="", results=())

    def edited(self, edit: Edit) -> Edit:
        """What an editor has shown or changed, as it is shown in the end."""
        if isinstance(edit, Created) or self._admits(edit.chars):
            return edit
        return replace(edit, content=NO_MORE) if isinstance(edit, Viewed) else replace(edit, lines=[NO_MORE])

    def _admits(self, chars: int) -> bool:
        fits = chars <= self._output_left
        self._output_left -= chars if fits else 0
        return fits
