"""What a model is told of an execution: enough to go on, and never more than it can read."""

from __future__ import annotations

from collections.abc import Sequence

from ..guest.lockdown import WORKSPACE
from ..types import Execution
from .events import MadeFile

_MOST_FILES = 20


def notes_on(
    execution: Execution, files: Sequence[MadeFile], figures: int, not_shown: int = 0, *, gone: bool = False
) -> list[str]:
    """What the model should know besides: files, figures, lost state, a sandbox that is ``gone``."""
    notes = []
    if figures:
        notes.append(f"[{figures} figure{'s' if figures > 1 else ''} shown to the user]")
    if not_shown:
        notes.append(f"[{not_shown} figure{'s' if not_shown > 1 else ''} not shown: too many, or too large]")
    if files:
        named = ", ".join(f"{WORKSPACE}/{file.path} ({file.size} bytes)" for file in files[:_MOST_FILES])
        more = f", and {len(files) - _MOST_FILES} more" if len(files) > _MOST_FILES else ""
        notes.append(f"[files written: {named}{more}]")
    if gone:
        notes.append("[the sandbox is gone, with its variables and files; the next call gets a new one]")
    elif not execution.state_kept:
        notes.append("[the interpreter was started anew: variables are gone, files are still there]")
    return notes
