"""A matplotlib backend that publishes figures as PNG; imported by matplotlib or after it."""

from __future__ import annotations

import io
import weakref
from typing import TYPE_CHECKING, Any

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

from . import display

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_BYTES = 8 * 1024 * 1024
_shown: weakref.WeakSet[Figure] = weakref.WeakSet()


class FigureManager(FigureManagerBase):
    """Stands for the window that there is not."""

    def show(self) -> None:
        """Publish the figure, as `fig.show()` asks."""
        _publish(self.canvas.figure)


class FigureCanvas(FigureCanvasAgg):
    """Agg's canvas with this backend's manager."""

    manager_class: Any = FigureManager


def show(*args: Any, **options: Any) -> None:
    """Publish all open figures in the order of their numbers, and close them."""
    try:
        for number in sorted(Gcf.figs):
            _publish(Gcf.figs[number].canvas.figure)
    finally:
        Gcf.destroy_all()


def draw(figure: Figure) -> dict[str, Any]:
    """Return a figure's PNG as part of a MIME bundle, or a note if it is too large."""
    target = io.BytesIO()
    if figure.get_children()[1:]:  # the first is the background
        figure.savefig(target, format="png", dpi=figure.dpi, bbox_inches="tight")
    # Drawing marks a figure as changed; what changes it from here on is the code's.
    figure.stale = False
    _shown.add(figure)
    if target.tell() > _MOST_BYTES:
        note = f"its PNG of {target.tell()} bytes is over the {_MOST_BYTES} that are shown; save it to a file"
        return {"text/plain": f"{figure!r}: {note}"}
    return {"image/png": target.getvalue()} if target.tell() else {}


def _publish(figure: Any) -> None:
    if figure not in _shown or figure.stale:
        data = draw(figure)  # outside `show`, so that what is wrong with the figure is raised
        display.show({"text/plain": repr(figure), **data}, raw=True)
