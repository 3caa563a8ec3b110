"""Who may call a client's function: the model itself, or code that it writes, or both."""

from __future__ import annotations

from collections.abc import Sequence

# The second is OpenAI's word, which its clients know; its own programs are JavaScript, and here they are Python.
_CODE = ("code_interpreter", "programmatic")
CALLERS = ("direct", *_CODE)


def by_code(callers: Sequence[str]) -> bool:
    """Whether code is among them."""
    return any(caller in _CODE for caller in callers)
