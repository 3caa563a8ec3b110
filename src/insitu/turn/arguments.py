"""The arguments of a call: JSON that is read while the model still writes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jiter

# Told that a string of the code has grown, and which one it is.
Grown = Callable[[str, int], None]

_SHOWN_NONSENSE = 2000
_PATIENCE = 8


class CodeReader:
    """Reads the code out of unfinished JSON.

    Args:
        field: the argument that holds code, a string or a list of strings.
        grown: told of each new piece.
        most: strings of a list; of more than these nobody is told.
    """

    def __init__(self, field: str, grown: Grown, most: int = 1024) -> None:
        self._field = field
        self._grown = grown
        self._most = most
        self._json = bytearray()
        self._unread = 0
        self._seen: list[int] = []

    def feed(self, text: str) -> None:
        """Take some more of the JSON."""
        piece = text.encode("utf-8", "replace")
        self._json += piece
        self._unread += len(piece)
        # All is read anew each time: of long code, only when enough has come to be worth it.
        if self._unread < len(self._json) >> _PATIENCE:
            return
        self._unread = 0
        try:
            found = jiter.from_json(bytes(self._json), partial_mode="trailing-strings")
        except ValueError:
            return  # it is no JSON, or not yet: what it is shows in the end
        self.show(found.get(self._field) if isinstance(found, dict) else None)

    def show(self, code: object) -> None:
        """Tell of what is new in the code as it is now."""
        for index, part in enumerate(code[: self._most] if isinstance(code, list) else [code]):
            if not isinstance(part, str):
                return
            if index == len(self._seen):
                self._seen.append(0)
            if new := part[self._seen[index] :]:
                self._seen[index] = len(part)
                self._grown(new, index)


class Escaping:
    """Escapes control characters within the strings of JSON that comes in pieces: models write them as they are."""

    def __init__(self) -> None:
        self._inside = False
        self._escaped = False

    def feed(self, text: str) -> str:
        """Some more of the text, as JSON has it."""
        return "".join(map(self._one, text))

    def _one(self, char: str) -> str:
        if self._escaped:
            self._escaped = False
        elif char == '"':
            self._inside = not self._inside
        elif self._inside and char == "\\":
            self._escaped = True
        elif self._inside and char < " ":
            return json.dumps(char)[1:-1]
        return char


def parse_arguments(text: str) -> Mapping[str, Any]:
    """The arguments of a call.

    Raises:
        ValueError: if they are no JSON object; the message is for the model.
    """
    try:
        # Not strict: many a model writes line breaks into its strings as they are.
        found = json.loads(text or "{}", strict=False, parse_constant=lambda name: None)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"the arguments are not valid JSON: {exc}") from None
    if not isinstance(found, dict):
        raise ValueError(f"the arguments are a JSON {type(found).__name__}, and must be an object")
    return found


def valid_arguments(text: str) -> str:
    """The arguments as a JSON object to the letter: model servers read them again, and many fail at what is none."""
    try:
        if isinstance(json.loads(text, parse_constant=_refuse), dict):
            return text
    except (ValueError, RecursionError):
        pass
    try:
        return json.dumps(parse_arguments(text), allow_nan=False)
    except (ValueError, RecursionError):
        return json.dumps({"not_json": text[:_SHOWN_NONSENSE]})


def whole_number(value: object) -> int | None:
    """A number that a model wishes for, if it is one that makes sense."""
    return value if type(value) is int and 0 < value < 1 << 53 else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
