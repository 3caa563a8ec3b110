"""The messages of a request, checked once: what comes after can trust their blocks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...web.holding import check_count
from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json

_MOST_ID = 256

_TEXT: Mapping[str, type] = {"text": str}
_RESULT: Mapping[str, type] = {"tool_use_id": str, "content": dict}
_USE: Mapping[str, type] = {"id": str, "name": str, "input": dict}
RESULTS = (
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
)
# What each kind of block must have.
_INNER: Mapping[str, Mapping[str, type]] = {
    "text": _TEXT,
    "image": {"source": dict},
    "document": {"source": dict},
    "search_result": {"source": str, "title": str, "content": list},
}
_IN_DOCUMENT = {kind: _INNER[kind] for kind in ("text", "image")}
_OF_ROLE: Mapping[str, Mapping[str, Mapping[str, type]]] = {
    "system": {"text": _TEXT},
    "user": {**_INNER, "container_upload": {"file_id": str}, "tool_result": {"tool_use_id": str}},
    "assistant": {
        "text": _TEXT,
        "thinking": {},
        "redacted_thinking": {},
        "tool_use": _USE,
        "server_tool_use": _USE,
        **dict.fromkeys(RESULTS, _RESULT),
    },
}
_KNOWN = {kind for kinds in _OF_ROLE.values() for kind in kinds}
_NAMES: Mapping[type, str] = {str: "a string", dict: "an object", list: "a list"}


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a message.

    Args:
        where: where it stands in the request.
        body: as the client sends it; of its type, and with what that must have.
    """

    where: str
    body: Json

    @property
    def type(self) -> str:
        """What kind it is."""
        return str(self.body["type"])


@dataclass(frozen=True, slots=True)
class Said:
    """What the user, or the model, said before the other one spoke."""

    role: str
    blocks: list[Block]


def read_messages(messages: Sequence[Any]) -> list[Said]:
    """The messages of a request; neighbours of one role are one.

    Raises:
        BadParameter: if they are malformed, too many, or have what is not to be had here.
    """
    if not messages:
        raise BadParameter("messages", "messages: at least one message is required")
    check_count("messages", len(messages), "messages")
    said: list[Said] = []
    blocks = 0
    for index, message in enumerate(messages):
        role, content = _message(message, f"messages.{index}")
        check_count("messages", blocks + len(content) if isinstance(content, list) else blocks, "blocks")
        read = list(_blocks(content, f"messages.{index}.content", _OF_ROLE[role]))
        blocks += sum(_weight(block.body) for block in read)
        check_count("messages", blocks, "blocks")
        if said and said[-1].role == role:
            said[-1].blocks.extend(read)
        else:
            said.append(Said(role, read))
    return said


def read_system(system: str | list[Any] | None) -> str:
    """The text of the system prompt.

    Raises:
        BadParameter: if it is malformed.
    """
    check_count("system", len(system) if isinstance(system, list) else 1, "blocks")
    return joined(list(_blocks(system or [], "system", _OF_ROLE["system"])))


def read_inner(content: Any, where: str, *, in_document: bool = False) -> list[Block]:
    """The blocks within a block: a result's, or a document's, which has no documents in it.

    Raises:
        BadParameter: if they are malformed.
    """
    return list(_blocks(content if content is not None else [], where, _IN_DOCUMENT if in_document else _INNER))


def joined(blocks: Sequence[Block]) -> str:
    """The text of blocks that are nothing else."""
    return "\n\n".join(block.body["text"] for block in blocks if block.body["text"])


def check_members(body: Json, members: Mapping[str, type], where: str) -> None:
    """Refuse an object that lacks a member.

    Raises:
        BadParameter: if so.
    """
    for name, kind in members.items():
        if not isinstance(body.get(name), kind):
            raise BadParameter(f"{where}.{name}", f"{where}.{name} must be {_NAMES[kind]}")


def _message(message: Any, where: str) -> tuple[str, Any]:
    if not isinstance(message, dict):
        raise BadParameter(where, f"{where} must be an object")
    role = message.get("role")
    if not isinstance(role, str) or role not in _OF_ROLE:
        raise BadParameter(f"{where}.role", f"{where}.role must be user, assistant or system")
    return role, message.get("content")


def _blocks(content: Any, where: str, known: Mapping[str, Mapping[str, type]]) -> Iterator[Block]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise BadParameter(where, f"{where} must be a string or a list of blocks")
    for index, body in enumerate(content):
        yield _block(body, f"{where}.{index}", known)


def _block(body: Any, where: str, known: Mapping[str, Mapping[str, type]]) -> Block:
    if not isinstance(body, dict):
        raise BadParameter(where, f"{where} must be an object")
    kind = body.get("type")
    if not isinstance(kind, str) or kind not in _KNOWN:
        raise Unsupported(where, f"{where}: blocks of the type {str(kind)[:64]!r} are not to be had here")
    if kind not in known:
        raise BadParameter(where, f"{where}: a block of the type {kind!r} cannot stand here")
    check_members(body, known[kind], where)
    for name in ("id", "tool_use_id"):
        if name in known[kind] and not 0 < len(body[name]) <= _MOST_ID:
            raise BadParameter(f"{where}.{name}", f"{where}.{name} must have from 1 to {_MOST_ID} characters")
    return Block(where, body)


def _weight(body: Json) -> int:
    """A block, with those within it."""
    source = body.get("source")
    inner = (body.get("content"), source.get("content") if isinstance(source, dict) else None)
    lists = [each for each in inner if isinstance(each, list)]
    return 1 + sum(_weight(each) if isinstance(each, dict) else 1 for each in itertools.chain(*lists))
