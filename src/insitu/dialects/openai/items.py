"""What a client gives as input: items of many shapes, made into ones that can be stored and found again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ...store import Admit, Item, Store, new_id
from ...web.holding import check_messages
from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json
from .errors import ItemMissing

_ROLES = ("user", "assistant", "system", "developer")
_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "code_interpreter_call": "ci_",
    "shell_call": "sh_",
    "shell_call_output": "sho_",
    "function_call": "fc_",
    "function_call_output": "fco_",
}
# What an item of each type must have, and of which type.
_NEEDED: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "code_interpreter_call": {"id": str},
    "shell_call": {"call_id": str, "action": dict},
    "shell_call_output": {"call_id": str, "output": list},
    "function_call": {"call_id": str, "name": str, "arguments": str},
    "function_call_output": {"call_id": str, "output": (str, list)},
}
# What it need not have, and of which type that is.
_OPTIONAL: Mapping[str, Mapping[str, type]] = {
    "code_interpreter_call": {"code": str, "container_id": str, "outputs": list, "insitu": dict},
    "shell_call": {"environment": dict},
    "function_call": {"caller": dict},
}
_MEANT: Mapping[str, Sequence[str]] = {
    "message": ("role",),
    "code_interpreter_call": ("code",),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
}
_PART_FIELDS = ("image_url", "file_id", "file_data", "filename", "detail")
_PARTS = ("input_text", "output_text", "text", "input_image", "input_file", "refusal", "summary_text")


async def normalize_input(store: Store, owner: str, given: object, admit: Admit | None = None) -> list[Item]:
    """The items of an input; those that this server has made itself come as they were stored.

    Args:
        admit: told how much is stored of them, before it is read.

    Raises:
        BadParameter: if it is malformed.
        ItemMissing: if it refers to an item that is not there.
    """
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list):
        raise BadParameter("input", "input must be a string or a list of items")
    check_messages("input", given, "items")
    bodies = [_body(item, f"input[{index}]") for index, item in enumerate(given)]
    ids = {str(body["id"]) for body in bodies if body.get("id")}
    known = await store.responses.items(ids, owner, admit) if ids else {}
    return [_item(body, known, owner) for body in bodies]


def _item(body: Json, known: Mapping[str, Item], owner: str) -> Item:
    found = known.get(body.get("id", ""))
    if body["type"] == "item_reference":
        # What is kept for chat completions is no item of a response.
        if found is None or found.body.get("type") not in _PREFIXES:
            raise ItemMissing(str(body["id"]))
        return found
    if found is not None and _meaning(found.body) == _meaning(body):
        return found
    # A client's own id might be another item's: what is new here has an id of this server's.
    return Item(new_item_id(body["type"]), owner, {**body, "id": None}, {}, time.time())


def _meaning(body: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes an item another one when a client changes it."""
    content = body.get("content")
    texts = [part.get("text") for part in content] if body["type"] == "message" and isinstance(content, list) else []
    return (body["type"], texts, *(body.get(name) for name in _MEANT.get(body["type"], ())))


def new_item_id(kind: str) -> str:
    """The id of a new item."""
    return new_id(_PREFIXES[kind])


def _body(item: object, where: str) -> Json:
    if not isinstance(item, dict):
        raise BadParameter(where, f"{where} must be an object")
    _check_types(item, {"id": str, "type": str}, where)
    kind = item.get("type") or ("message" if "role" in item else None)
    body = {**item, "type": kind}
    if kind == "item_reference":
        if not isinstance(item.get("id"), str):
            raise BadParameter(f"{where}.id", f"{where} refers to no item: its id is missing")
    elif kind == "message":
        _check_message(body, where)
    elif kind not in _PREFIXES:
        raise Unsupported(f"{where}.type", f"{where}: items of the type {str(kind)[:64]!r} are not known here")
    for name, types in _NEEDED.get(str(kind), {}).items():
        if not isinstance(item.get(name), types):
            raise BadParameter(f"{where}.{name}", f"{where}.{name} is missing, or of the wrong type")
    _check_types(item, _OPTIONAL.get(str(kind), {}), where)
    if kind == "shell_call" and not _strings(item["action"].get("commands")):
        raise BadParameter(f"{where}.action", f"{where}.action.commands must be a list of strings")
    return body


def _check_message(body: Json, where: str) -> None:
    if body.get("role") not in _ROLES:
        raise BadParameter(f"{where}.role", f"{where}.role must be one of: {', '.join(_ROLES)}")
    content = body.get("content")
    if isinstance(content, str):
        text = "output_text" if body["role"] == "assistant" else "input_text"
        body["content"] = content = [{"type": text, "text": content}]
    if not isinstance(content, list):
        raise BadParameter(f"{where}.content", f"{where}.content must be a string or a list of parts")
    for index, part in enumerate(content):
        _check_part(part, f"{where}.content[{index}]")


def _check_part(part: object, where: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or kind not in _PARTS:
        raise Unsupported(where, f"{where}: parts of the type {str(kind)[:64]!r} are not known here")
    said = "refusal" if kind == "refusal" else "text"
    if kind not in ("input_image", "input_file") and not isinstance(part.get(said), str):
        raise BadParameter(f"{where}.{said}", f"{where}.{said} must be a string")
    _check_types(part, {**dict.fromkeys(_PART_FIELDS, str), "annotations": list}, where)
    if kind == "input_image" and not (isinstance(part.get("image_url"), str) or isinstance(part.get("file_id"), str)):
        raise BadParameter(where, f"{where} must have an image_url or a file_id")
    if kind == "input_file" and not any(isinstance(part.get(name), str) for name in ("file_id", "file_data")):
        raise Unsupported(where, f"{where} must have a file_id or file_data; files are not fetched from a file_url")


def _check_types(given: Mapping[str, Any], types: Mapping[str, type], where: str) -> None:
    """Refuse what is there and has the wrong type."""
    for name, kind in types.items():
        if given.get(name) is not None and not isinstance(given[name], kind):
            raise BadParameter(f"{where}.{name}", f"{where}.{name} is of the wrong type")


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def shown(item: Item, include: Sequence[str] = ("code_interpreter_call.outputs",)) -> Json:
    """An item as clients see it; the outputs of code only if they are asked for, as OpenAI has it."""
    body = {**item.body, "id": item.id}
    if body["type"] == "code_interpreter_call" and "code_interpreter_call.outputs" not in include:
        body["outputs"] = None
    if body["type"] == "message":
        body.setdefault("status", "completed")
    return body
