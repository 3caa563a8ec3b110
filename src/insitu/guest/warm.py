"""What is done before the fork, so that no first cell has to do it."""

from __future__ import annotations

import gc
import sys
from typing import Any, Callable

_ROUNDS = 8
_PANDAS = """\
import pandas
pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]}, index=["u", "v", "w"])
"""
_PYPLOT = """\
import matplotlib.pyplot
matplotlib.pyplot.subplots()[1].plot([1, 2])
"""


def warm_up(run: Callable[[str], Any]) -> None:
    """Run a few cells that touch what first cells touch.

    A page that the fork shares is copied when it is first written, and Python writes wherever it goes: into caches
    made at first use, into bytecode that is specialized as it runs. After some rounds there is little left to write.
    """
    for _ in range(_ROUNDS):
        touch(run)
    if "matplotlib.pyplot" in sys.modules:
        run(_PYPLOT)
    _close_fonts()
    gc.collect()


def touch(run: Callable[[str], Any]) -> None:
    """Run them once, after the fork: what is copied now is not copied while somebody waits."""
    for code in _cells():
        run(code)


def _cells() -> list[str]:
    cells = ["1+1", "print(end='')", "1/0", "%pwd", "[1.5, 'x']"]
    if "pandas" in sys.modules:
        cells += [_PANDAS, "pandas.DataFrame({'a': [1, 2, 3]}).a.sum()"]
    return cells


def _close_fonts() -> None:
    # An open font is a descriptor, and descriptors do not survive the way into a sandbox.
    manager: Any = sys.modules.get("matplotlib.font_manager")
    clear = getattr(getattr(manager, "_get_font", None), "cache_clear", None)
    if clear is not None:
        clear()
