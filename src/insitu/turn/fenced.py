"""The fenced mode: models that call no tools write a block of Python into their text, and that is the call."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from .events import Message

_INDENT = r" {0,3}"
_OPENS_PYTHON = re.compile(_INDENT + r"```\s*(python|python3|py|tool_code)\s*", re.IGNORECASE)
_OPENS_OTHER = re.compile(_INDENT + r"```[^`]*")
_CLOSES = re.compile(_INDENT + r"```\s*")
_MAY_BE_FENCE = re.compile(_INDENT + r"(`{1,2}|```[^`\n]*)?")


class FencedReader:
    """Tells text from code while both come in pieces of any size.

    Args:
        text: told of text.
        code: told of code.
    """

    def __init__(self, text: Callable[[str], None], code: Callable[[str], None]) -> None:
        self.closed = False
        self.in_code = False
        self._text = text
        self._code = code
        self._in_other = False
        self._held = ""  # the beginning of a line that may turn out to be a fence
        self._at_start = True

    def feed(self, piece: str) -> None:
        """Take some more; what comes after the end of the code is left alone."""
        for line in piece.splitlines(keepends=True):
            if self.closed:
                return
            self._feed_line(line)

    def finish(self) -> None:
        """Say that nothing more comes."""
        if self._held and not self.closed:
            held, self._held = self._held, ""
            if not (self.in_code and _CLOSES.fullmatch(held)):
                self._put(held)

    def _feed_line(self, part: str) -> None:
        if not self._at_start:
            self._put(part)
            self._at_start = part.endswith("\n")
            return
        self._held += part
        if self._held.endswith("\n"):
            line, self._held = self._held, ""
            self._whole_line(line)
        elif not _MAY_BE_FENCE.fullmatch(self._held):
            held, self._held = self._held, ""
            self._at_start = False
            self._put(held)

    def _whole_line(self, line: str) -> None:
        bare = line.rstrip("\r\n")
        if self.in_code and _CLOSES.fullmatch(bare):
            self.closed = True
        elif not self.in_code and not self._in_other and _OPENS_PYTHON.fullmatch(bare):
            self.in_code = True
        else:
            if not self.in_code and _OPENS_OTHER.fullmatch(bare):
                self._in_other = not self._in_other
            self._put(line)

    def _put(self, text: str) -> None:
        (self._code if self.in_code else self._text)(text)


def as_fenced(messages: Sequence[Message], explanation: str) -> list[Message]:
    """A transcript in which calls and their outputs are text, as such a model reads and writes it."""
    fenced: list[Message] = []
    for message in messages:
        match message.get("role"):
            case "assistant" if message.get("tool_calls"):
                fenced.append({"role": "assistant", "content": _with_blocks(message)})
            case "tool":
                fenced.append({"role": "user", "content": f"Output:\n```\n{message.get('content', '')}\n```\n"})
            case _:
                fenced.append(message)
    return _explained(fenced, explanation)


def _explained(messages: list[Message], explanation: str) -> list[Message]:
    if messages and messages[0].get("role") in ("system", "developer") and isinstance(messages[0].get("content"), str):
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{explanation}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": explanation}, *messages]


def _with_blocks(message: Message) -> str:
    text = _text_of(message.get("content"))
    blocks = "".join(f"```python\n{_code_of(call).rstrip()}\n```\n" for call in message["tool_calls"])
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{blocks}"


def _text_of(content: object) -> str:
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _code_of(call: dict[str, Any]) -> str:
    try:
        arguments = json.loads((call.get("function") or {}).get("arguments", ""))
    except (ValueError, RecursionError):
        return ""
    code = arguments.get("code") if isinstance(arguments, dict) else None
    return code if isinstance(code, str) else ""
