"""What an execution leaves behind, as files of this machine."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from .errors import print_error
from .text import note

if TYPE_CHECKING:
    from insitu.types import Execution

    from .target import Target

_IMAGES = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}


def save(target: Target, execution: Execution, folder: Path) -> None:
    """Download the files that the execution made or changed, and write the images of its results."""
    folder.mkdir(parents=True, exist_ok=True)
    for info in execution.files:
        if info.kind != "file":
            continue
        if not _stays_below(info.path):
            print_error(f"the file {info.path!r} was left out: its path leads out of {folder}")
            continue
        local = folder / info.path
        local.parent.mkdir(parents=True, exist_ok=True)
        note(f"wrote {target.files.download(info.path, local)}")
    taken = {info.path for info in execution.files}
    for name, content in _images(execution, taken):
        (folder / name).write_bytes(content)
        note(f"wrote {folder / name}")


def tell_lost(execution: Execution, *, files_stay: bool) -> None:
    """Say what the execution made that nobody will see."""
    images = sum(not _IMAGES.keys().isdisjoint(result.data) for result in execution.results)
    files = 0 if files_stay else sum(info.kind == "file" for info in execution.files)
    counts = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in ((images, "image"), (files, "file")) if n]
    if counts:
        note(f"{', '.join(counts)} not kept: --out DIR saves {'them' if images + files > 1 else 'it'}")


def _stays_below(path: str) -> bool:
    # The path is what the sandbox says it is: on no system may it name a place elsewhere.
    windows = PureWindowsPath(path)
    parts = {*PurePosixPath(path).parts, *windows.parts}
    return not (windows.anchor or path.startswith("/") or ".." in parts or "\0" in path)


def _images(execution: Execution, taken: set[str]) -> Iterator[tuple[str, bytes]]:
    number = 0
    for result in execution.results:
        kind = next((kind for kind in _IMAGES if kind in result.data), None)
        if kind is None:
            continue
        number += 1
        while (name := f"image-{number}.{_IMAGES[kind]}") in taken:
            number += 1
        text = str(result.data[kind])
        yield name, text.encode() if kind == "image/svg+xml" else base64.b64decode(text)
