"""The contents of a request, checked once: what comes after can trust their parts."""

from __future__ import annotations

from typing import Any

from ...errors import InvalidRequest
from ...web.holding import check_count
from ...web.parameters import BadParameter
from ...web.shapes import Json
from .members import check_message

_ROLES = {"user": "user", "function": "user", "tool": "user", "model": "model"}


def read_contents(contents: Any) -> list[Json]:
    """The contents, each with its ``role`` and its ``parts``.

    Raises:
        BadParameter: if they are malformed, or too many.
    """
    if isinstance(contents, dict | str):
        contents = [contents]
    if not isinstance(contents, list) or not contents:
        raise BadParameter("contents", "contents must be a list of at least one content")
    check_count("contents", len(contents), "contents")
    read = [_content(content, f"contents[{index}]") for index, content in enumerate(contents)]
    check_count("contents", sum(len(content["parts"]) for content in read), "parts")
    check_message(contents, "Content", "contents")
    if read[-1]["role"] == "model":
        raise BadParameter("contents", "the last of the contents must be the user's, or the answers to function calls")
    return read


def read_system(instruction: Any) -> str:
    """The text of the system instruction.

    Raises:
        BadParameter: if it is malformed.
    """
    if instruction is None:
        return ""
    try:
        parts = _content(instruction, "systemInstruction")["parts"]
        check_message(instruction, "Content", "system_instruction")
    except InvalidRequest as exc:
        raise BadParameter("systemInstruction", exc.message) from None
    return "\n".join(str(part["text"]) for part in parts if isinstance(part.get("text"), str))


def _content(content: Any, where: str) -> Json:
    if isinstance(content, str):
        content = {"parts": [{"text": content}]}
    if not isinstance(content, dict):
        raise BadParameter(where, f"{where} must be an object")
    role = content.get("role") or "user"
    if not isinstance(role, str) or role not in _ROLES:
        raise BadParameter(f"{where}.role", f"{where}.role must be user or model")
    return {"role": _ROLES[role], "parts": _parts(content.get("parts"), where)}


def _parts(parts: Any, where: str) -> list[Json]:
    parts = [parts] if isinstance(parts, dict) else parts
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise BadParameter(f"{where}.parts", f"{where}.parts must be a list of objects")
    return parts
