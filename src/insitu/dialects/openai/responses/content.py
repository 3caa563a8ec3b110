"""What is said: its files and images made into what the model can read, and its parts as chat completions have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ....store import Item
from ....turn.container import Container
from ....turn.messages import text_part
from ....web.shapes import Json
from ....web.stored_files import StoredFiles
from ..attachments import attach


async def with_files(stored: StoredFiles, items: Sequence[Item], container: Container | None) -> list[Item]:
    """The items with images as URLs, and files as words on where they are."""
    return [
        replace(item, body={**item.body, "content": [await _readable(stored, part, container) for part in content]})
        if item.body["type"] == "message" and (content := item.body["content"]) and _has_files(content)
        else item
        for item in items
    ]


def _has_files(parts: Sequence[Json]) -> bool:
    return any(part["type"] in ("input_file", "input_image") for part in parts)


async def _readable(stored: StoredFiles, part: Json, container: Container | None) -> Json:
    if part["type"] == "input_image":
        return part if part.get("image_url") else await _as_image(stored, part)
    if part["type"] != "input_file":
        return part
    if container is None:
        return await _as_file(stored, part) if part.get("file_id") else part
    return {"type": "input_text", "text": await attach(container, part, "input", stored)}


async def _as_image(stored: StoredFiles, part: Json) -> Json:
    _, url = await stored.inline(part["file_id"], "input")
    return {**part, "image_url": url}


async def _as_file(stored: StoredFiles, part: Json) -> Json:
    """A stored file for a model without a sandbox; its server knows nothing of files here."""
    record, url = await stored.inline(part["file_id"], "input")
    return {"type": "input_file", "filename": record.filename, "file_data": url}


def parts_of(content: Sequence[Json]) -> list[Json]:
    """The content of a message as chat completions have it."""
    return [_part(part) for part in content]


def _part(part: Json) -> Json:
    if part["type"] == "input_image":
        detail = {"detail": part["detail"]} if part.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": part["image_url"], **detail}}
    if part["type"] == "input_file":
        named = {name: part[name] for name in ("file_data", "filename", "file_id") if part.get(name)}
        return {"type": "file", "file": named}
    return text_part(part["refusal" if part["type"] == "refusal" else "text"])
