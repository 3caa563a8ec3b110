"""What stands in for IPython where the environment has none."""

from __future__ import annotations

import ast
import builtins
from typing import Any, Callable

from . import display, transform
from .magics import Magics


class Plain:
    """Gives a shell its transformation of source, its magics and its formatters."""

    def __init__(self, namespace: dict[str, Any], run: Callable[[str], Any]) -> None:
        self.inputs: list[str] = [""]
        self.outputs: dict[int, Any] = {}
        vars(builtins).update({transform.RUNNER: Magics(namespace, run), "display": display.display})

    def rewrite(self, source: str) -> str:
        """Return what is to be parsed in the place of the source."""
        return source

    def transform(self, source: str) -> str:
        """Return source that did not parse with its shell and magic lines as Python."""
        return transform.transform(source)

    def tree(self, tree: ast.Module) -> ast.Module:
        """Return what is to be compiled in the place of the tree."""
        return tree

    def bundle(self, value: Any) -> display.Bundle:
        """Return the MIME bundle of a value."""
        return display.bundle(value)

    def before(self, number: int, source: str) -> None:
        """Get ready for a cell."""

    def after(self) -> None:
        """Tidy up after a cell."""
