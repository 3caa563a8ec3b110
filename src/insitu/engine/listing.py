"""Which files an execution made or changed: the difference between two listings of the workspace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ..guest.workspace import MAX_ENTRIES
from ..types import FileInfo
from .workspace import file_info

# Characters of patterns times characters of paths: a pattern can take that many steps, and holds up everybody.
_MOST_STEPS = 1 << 25


class Listing:
    """The files of a workspace as they were last seen. What a guest claims of them is cut down to size first."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[str, FileInfo]] = {}

    def update(self, entries: object) -> list[FileInfo]:
        """Take a new listing; returns the files that are new or changed."""
        now = {info.path: (change, info) for change, info in _understood(entries) if info.kind == "file"}
        changed = [info for path, (change, info) in now.items() if self._change(path) != change]
        self._files = now
        return changed

    def note(self, entry: object) -> None:
        """Take one file that the host itself has written."""
        for change, info in _understood([entry]):
            self._files[info.path] = (change, info)

    def matching(self, globs: Sequence[str]) -> list[FileInfo]:
        """The files whose paths match one of ``globs``; those for which no steps are left count as no match."""
        steps, found = 0, []
        for path, (_, info) in self._files.items():
            steps += len(path) * sum(map(len, globs))
            if steps > _MOST_STEPS:
                break
            if any(fnmatchcase(path, glob) for glob in globs):
                found.append(info)
        return found

    def _change(self, path: str) -> str | None:
        known = self._files.get(path)
        return known[0] if known else None


def _understood(entries: object) -> Iterable[tuple[str, FileInfo]]:
    if not isinstance(entries, list):
        return
    for entry in entries[:MAX_ENTRIES]:
        if isinstance(entry, dict) and isinstance(entry.get("path"), str):
            yield _change_of(entry), file_info(entry)


def _change_of(entry: dict[str, Any]) -> str:
    return f"{entry.get('change')!s:.64}.{entry.get('size')!s:.24}"
