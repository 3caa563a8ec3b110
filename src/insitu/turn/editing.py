"""Showing and changing the files of a workspace, as the editors of models do; the host opens none of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..engine import Workspace
from ..engine.workspace import relative_path
from ..errors import FileMissing, InvalidRequest, PathRefused, TooLarge
from ..guest.lockdown import WORKSPACE
from ..heavy import heavy
from ..types import MIB, FileInfo
from .workspace import once

_MOST_BYTES = 1 * MIB
_DEPTH = 2


class EditRefused(Exception):
    """Raised when a file cannot be shown or changed as the model wishes; its code is ``file_not_found`` or another."""

    def __init__(self, message: str, code: str = "invalid_tool_input") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True, slots=True)
class Viewed:
    """Lines of a file, or what is in a folder.

    Args:
        start_line: the number of the first line, counted from 1.
        total_lines: how many there are, shown or not.
        file: what has changed; nothing here.
    """

    content: str
    start_line: int
    num_lines: int
    total_lines: int
    is_folder: bool = False
    file: FileInfo | None = None

    @property
    def chars(self) -> int:
        """About how much it tells."""
        return len(self.content)

    @property
    def told(self) -> str:
        """What the model reads: of a file the lines with their numbers."""
        if not self.num_lines:
            return "[the folder is empty]" if self.is_folder else "[the file is empty]"
        return self.content if self.is_folder else numbered(self.content, self.start_line)


@dataclass(frozen=True, slots=True)
class Created:
    """A file that has been written.

    Args:
        is_update: whether there was one before.
    """

    is_update: bool
    file: FileInfo
    chars: int = 0

    @property
    def told(self) -> str:
        """What the model reads."""
        return "[updated]" if self.is_update else "[created]"


@dataclass(frozen=True, slots=True)
class Replaced:
    """A text of a file that has been replaced by another.

    Args:
        lines: those that are gone with ``-`` before them, then those that have come with ``+``.
        old_start: the number of the first line that is gone; ``old_lines`` of them are.
        new_start: the number of the first line that has come; ``new_lines`` of them have.
    """

    lines: Sequence[str]
    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    file: FileInfo

    @property
    def chars(self) -> int:
        """About how much it tells."""
        return sum(map(len, self.lines))

    @property
    def told(self) -> str:
        """What the model reads."""
        return "\n".join(self.lines) or "[nothing has changed]"


Edit = Viewed | Created | Replaced


async def edit(files: Workspace, arguments: Mapping[str, Any]) -> Edit:
    """Do what a call of the editor asks.

    Raises:
        EditRefused: if it cannot be done; the message is for the model.
        InsituError: if the sandbox failed, or is full.
    """
    do = COMMANDS.get(str(arguments.get("command")))
    if do is None:
        raise EditRefused(f'the argument "command" must be one of: {", ".join(COMMANDS)}')
    path = _text(arguments, "path")
    try:
        return await do(files, path, arguments)
    except FileMissing as exc:
        raise EditRefused(exc.message, "file_not_found") from None
    except TooLarge as exc:
        raise EditRefused(f"{exc.message}; use bash") from None
    except (InvalidRequest, PathRefused) as exc:
        raise EditRefused(exc.message) from None


async def _view(files: Workspace, path: str, arguments: Mapping[str, Any]) -> Viewed:
    if await _kind_of(files, path) == "directory":
        return _folder(await files.list(path, depth=_DEPTH))
    text = await _read(files, path)
    return await heavy(len(text), _lines_of, text, arguments.get("view_range"))


async def _create(files: Workspace, path: str, arguments: Mapping[str, Any]) -> Created:
    text = _text(arguments, "file_text")
    is_update = await _kind_of(files, path) is not None
    return Created(is_update, await _write(files, path, text))


async def _replace(files: Workspace, path: str, arguments: Mapping[str, Any]) -> Replaced:
    old, new = _text(arguments, "old_str"), _text(arguments, "new_str", "")
    text = await _read(files, path)
    at = await heavy(len(text), _only_place, text, old, path)
    file = await _write(files, path, text[:at] + new + text[at + len(old) :])
    return await heavy(len(text) + len(new), _replaced, text, at, old, new, file)


COMMANDS: Mapping[str, Callable[[Workspace, str, Mapping[str, Any]], Awaitable[Edit]]] = {
    "view": _view,
    "create": _create,
    "str_replace": _replace,
}
"""What an editor can be asked to do."""


def numbered(text: str, start: int) -> str:
    """Lines as a model reads them, with their numbers."""
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(text.split("\n"), start))


def _text(arguments: Mapping[str, Any], name: str, default: str | None = None) -> str:
    found = arguments.get(name, default)
    if not isinstance(found, str):
        raise EditRefused(f'the argument "{name}" is missing, or no string')
    # JSON can hold halves of characters, which can be neither written nor sent.
    return found if found.isascii() else found.encode("utf-8", "replace").decode()


async def _kind_of(files: Workspace, path: str) -> str | None:
    """What is at a path; None if nothing is."""
    if not relative_path(path):
        return "directory"
    try:
        return (await files.stat(path)).kind
    except FileMissing:
        return None


async def _read(files: Workspace, path: str) -> str:
    content = await files.read_all(path, _MOST_BYTES)
    try:
        if b"\0" not in content:
            return content.decode()
    except UnicodeDecodeError:
        pass
    raise EditRefused(f"{path!r} is no text in UTF-8; use bash")


async def _write(files: Workspace, path: str, text: str) -> FileInfo:
    return await files.write(path, once(text.encode()))


def _folder(entries: Sequence[FileInfo]) -> Viewed:
    seen = [entry for entry in entries if not any(part.startswith(".") for part in entry.path.split("/"))]
    lines = sorted(f"{WORKSPACE}/{entry.path}{'/' if entry.kind == 'directory' else ''}" for entry in seen)
    return Viewed("\n".join(lines), 1, len(lines), len(lines), is_folder=True)


def _lines_of(text: str, wished: object) -> Viewed:
    lines = _split(text)
    start, end = _range(wished, len(lines))
    shown = lines[start - 1 : end]
    return Viewed("\n".join(shown), start, len(shown), len(lines))


def _range(wished: object, total: int) -> tuple[int, int]:
    if wished is None:
        return 1, total
    if not isinstance(wished, list) or len(wished) != 2 or not all(type(each) is int for each in wished):
        raise EditRefused('the argument "view_range" must be two numbers: the first and the last line')
    start, end = wished
    end = total if end == -1 else min(end, total)
    if not 1 <= start <= end:
        raise EditRefused(f"view_range is {wished}, and the file has {total} lines")
    return start, end


def _only_place(text: str, old: str, path: str) -> int:
    at = text.find(old) if old else -1
    if at < 0:
        raise EditRefused(f"old_str is not in {path!r}: it must be there to the letter" if old else "old_str is empty")
    if text.find(old, at + 1) >= 0:
        times = max(2, text.count(old))  # which counts none that overlap
        raise EditRefused(f"old_str is {times} times in {path!r}, and must be there once: make it longer")
    return at


def _replaced(text: str, at: int, old: str, new: str, file: FileInfo) -> Replaced:
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at + len(old))
    head, tail = text[begin:at], text[at + len(old) : end if end >= 0 else len(text)]
    gone, come = (head + old + tail).split("\n"), (head + new + tail).split("\n")
    line = text.count("\n", 0, begin) + 1
    same = 0
    while same < min(len(gone), len(come)) and gone[same] == come[same]:
        same += 1
    gone, come, line = gone[same:], come[same:], line + same
    while gone and come and gone[-1] == come[-1]:
        gone.pop()
        come.pop()
    lines = [*(f"-{each}" for each in gone), *(f"+{each}" for each in come)]
    return Replaced(lines, line, len(gone), line, len(come), file)


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines
