"""Makes matplotlib draw with this package's backend, and publishes its figures, without importing it."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

BACKEND = f"module://{__package__}.figures"


def install() -> None:
    """Choose the backend: now if matplotlib is there, else when it is imported."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib"].use(BACKEND)
    elif "matplotlib" in sys.modules:
        choose(sys.modules["matplotlib"])
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def choose(matplotlib: Any) -> None:
    """Make the backend matplotlib's own default, unless the environment names another."""
    # Not by MPLBACKEND: programs that the code starts would inherit it, and nobody publishes for them.
    if not os.environ.get("MPLBACKEND"):
        matplotlib.rcParams["backend"] = BACKEND


def flush() -> None:
    """Publish and close the figures that are still open."""
    if _any_open():
        from . import figures

        figures.show()


def flush_despite(error: BaseException) -> None:
    """Show what a cell has drawn before it failed."""
    if isinstance(error, KeyboardInterrupt):
        _discard()  # there is a grace to be kept
        return
    try:
        flush()
    except Exception:
        pass


def _discard() -> None:
    if _any_open():
        sys.modules["matplotlib._pylab_helpers"].Gcf.destroy_all()


def _any_open() -> bool:
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return helpers is not None and bool(helpers.Gcf.figs)


class _Watch(MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "matplotlib":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            _choose_once_loaded(spec.loader)
        return spec


def _choose_once_loaded(loader: Any) -> None:
    load = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        load(module)
        choose(module)

    loader.exec_module = exec_module
