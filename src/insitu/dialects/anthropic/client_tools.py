"""Tools that Anthropic has defined and clients run themselves: what the model is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...web.shapes import Json


def _object(required: tuple[str, ...] = (), **properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


def _text(about: str) -> Json:
    return {"type": "string", "description": about}


def _one_of(*commands: str) -> Json:
    return {"type": "string", "enum": list(commands), "description": "what to do"}


_LINES = {"type": "array", "items": {"type": "integer"}, "description": "the first line and the last, counted from 1"}
_EDITING: Json = {
    "path": _text("of the file or folder"),
    "file_text": _text("for create: the content of the new file"),
    "old_str": _text("for str_replace: the text to replace, which must be there exactly once"),
    "new_str": _text("for str_replace: what takes its place; for insert: the text to insert"),
    "insert_line": {
        "type": "integer",
        "description": "for insert: the line behind which to insert; 0 for the beginning",
    },
    "view_range": _LINES,
}
_EDITOR = "Views, creates and edits files of the user's machine."
_MEMORY: Json = {
    "path": _text("below /memories"),
    "view_range": _LINES,
    "file_text": _text("for create: the content of the file"),
    "old_str": _text("for str_replace: the text to replace, which must be there exactly once"),
    "new_str": _text("for str_replace: what takes its place"),
    "insert_line": {
        "type": "integer",
        "description": "for insert: the line behind which to insert; 0 for the beginning",
    },
    "insert_text": _text("for insert: the text to insert"),
    "old_path": _text("for rename: the path as it is"),
    "new_path": _text("for rename: the path as it is to be"),
}


def _editor(name: str, *more: str) -> Json:
    commands = _one_of("view", "create", "str_replace", "insert", *more)
    return {
        "name": name,
        "description": _EDITOR,
        "parameters": _object(("command", "path"), command=commands, **_EDITING),
    }


CLIENT_TOOLS: Mapping[str, Json] = {
    "bash_20250124": {
        "name": "bash",
        "description": "Runs commands in a bash session of the user's machine, which lives from call to call.",
        "parameters": _object(
            command=_text("the command to run"),
            restart={"type": "boolean", "description": "true to start the session anew, without a command"},
        ),
    },
    "text_editor_20250124": _editor("str_replace_editor", "undo_edit"),
    "text_editor_20250429": _editor("str_replace_based_edit_tool"),
    "text_editor_20250728": _editor("str_replace_based_edit_tool"),
    "memory_20250818": {
        "name": "memory",
        "description": (
            "Keeps notes in the folder /memories, which lasts from conversation to conversation: look there before "
            "you begin, and write down what will matter later."
        ),
        "parameters": _object(
            ("command",),
            command=_one_of("view", "create", "str_replace", "insert", "delete", "rename"),
            **_MEMORY,
        ),
    },
}
"""By their types, which carry their versions: functions as chat completions describe them."""
