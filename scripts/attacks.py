"""The tables of the attacks that the suite makes: each with the layer that stops it and its test."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from tests.attacks.attack import Layer

_FOLDER = Path(__file__).parents[1] / "tests/attacks"


@dataclass(frozen=True, slots=True)
class Tried:
    """One row: an attack of the suite."""

    what: str
    stopped_by: Layer
    test: str


def attacks() -> str:
    """A table of all attacks for each of their groups."""
    sections = []
    for module in _modules():
        rows = [f"| {each.what} | {each.stopped_by} | `{each.test}` |" for each in tried(module)]
        head = "| it tries to | stopped by | test |\n|---|---|---|"
        sections.append("\n".join([f"## {_title(module)}\n", f"`{_path(module)}`\n", head, *rows]))
    return "\n\n".join(sections)


def layers() -> str:
    """A table of the layers, each with the groups of attacks that it stops and how many they are."""
    counts: dict[Layer, Counter[str]] = {layer: Counter() for layer in Layer}
    for module in _modules():
        for each in tried(module):
            counts[each.stopped_by][_group(module)] += 1
    lines = ["| layer | attacks that it stops first |", "|---|---|"]
    for layer, groups in counts.items():
        lines.append(f"| {layer} | {', '.join(f'{group} ({n})' for group, n in groups.most_common())} |")
    return "\n".join(lines)


def tried(module: ModuleType) -> Iterator[Tried]:
    """The attacks of a module of the suite: those of its tables, and those in several steps."""
    for name, test in inspect.getmembers(module, inspect.isfunction):
        for mark in getattr(test, "pytestmark", []):
            if mark.name == "attack":
                yield Tried(mark.kwargs["what"], mark.kwargs["stopped_by"], name)
            elif mark.name == "parametrize" and mark.args[0] == "attack":
                yield from (Tried(each.what, each.stopped_by, name) for each in mark.args[1])


def _modules() -> Iterator[ModuleType]:
    for path in sorted(_FOLDER.glob("test_*.py")):
        module = import_module(f"tests.attacks.{path.stem}")
        if any(tried(module)):
            yield module


def _title(module: ModuleType) -> str:
    return (module.__doc__ or "").splitlines()[0].rstrip(".")


def _group(module: ModuleType) -> str:
    return module.__name__.rpartition(".test_")[2]


def _path(module: ModuleType) -> str:
    return f"tests/attacks/test_{_group(module)}.py"
