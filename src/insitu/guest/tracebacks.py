"""Exceptions as plain text that shows the user's frames and hides the runner's."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

_GUEST = os.path.dirname(__file__) + os.sep
_MAGIC_MACHINERY = tuple(
    os.path.join("IPython", "core", *parts)
    for parts in (("interactiveshell.py",), ("magic.py",), ("async_helpers.py",), ("magics", ""))
)
_MOST_FRAMES = 2000
_MOST_CHARS = 64 * 1024
_CELL = "<cell "
# Classes can lie about their own name; the type of all types does not.
_class_name = type.__dict__["__name__"].__get__


def name_of(kind: type) -> str:
    """Return a class's real name, whatever its metaclass says."""
    return clean(_class_name(kind))[:200]


def message_of(error: BaseException) -> str:
    """Return ``str(error)``, or a note when that raises."""
    try:
        return clean(str.__str__(str(error)))
    except Exception:
        return f"<{name_of(type(error))}: its text cannot be shown>"


def clean(text: str) -> str:
    """Return text that is sure to encode as UTF-8."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def clip(text: str, limit: int) -> str:
    """Keep the head and the tail of what is longer than ``limit`` characters."""
    if len(text) <= limit:
        return text
    head = limit // 3
    left_out = f"\n… {len(text) - limit} characters left out …\n"
    return text[:head] + left_out + text[len(text) - (limit - head) :]


def render(error: BaseException) -> str:
    """Format an exception and its chain as Python does, from the first frame of the user's on."""
    if _is_usage_error(error):
        return f"UsageError: {message_of(error)}\n"
    try:
        summary = traceback.TracebackException(type(error), error, _bounded(error.__traceback__))
        for part in _chain(summary):
            part.stack[:] = _users_frames(part.stack)
        text = "".join(summary.format())
    except Exception:
        text = f"{name_of(type(error))}: {message_of(error)}\n"
    return clean(clip(text, _MOST_CHARS))


def _is_usage_error(error: BaseException) -> bool:
    module = sys.modules.get("IPython.core.error")
    return module is not None and isinstance(error, getattr(module, "UsageError", ()))


def _bounded(first: TracebackType | None) -> TracebackType | None:
    """Leave out the middle of a traceback that is too deep to be read, or even to be formatted in time."""
    links: list[TracebackType] = []
    link = first
    while link is not None:
        links.append(link)
        link = link.tb_next
    if len(links) <= _MOST_FRAMES:
        return first
    kept: TracebackType | None = None
    for link in reversed(links[: _MOST_FRAMES // 2] + links[-_MOST_FRAMES // 2 :]):
        kept = TracebackType(kept, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return kept


def _chain(summary: traceback.TracebackException) -> Iterator[Any]:
    waiting: list[Any] = [summary]
    while waiting:
        part = waiting.pop()
        yield part
        related = [part.__cause__, part.__context__, *(getattr(part, "exceptions", None) or [])]
        waiting += [other for other in related if other is not None]


def _users_frames(stack: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    start = 0
    if stack and stack[0].filename.startswith(_GUEST):
        # What leads from the runner to the cell (asyncio's, for one) is not of interest.
        start = next((at for at, frame in enumerate(stack) if frame.filename.startswith(_CELL)), 0)
    return [frame for frame in stack[start:] if not _is_hidden(frame.filename)]


def _is_hidden(filename: str) -> bool:
    return filename.startswith(_GUEST) or any(part in filename for part in _MAGIC_MACHINERY)
