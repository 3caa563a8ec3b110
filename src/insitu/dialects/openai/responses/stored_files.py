"""The files and images of a transcript: each made into what the model can read of it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

from ....store import FileRecord, Item
from ....turn.container import Container
from ....web.service import Service
from ..attachments import Contents, attach
from ..errors import BadParameter
from ..shapes import Json
from ..weight import Holding

_INLINE_BYTES = 20 << 20


class StoredFiles:
    """The stored files that a transcript names, each read once however often it is named."""

    def __init__(self, service: Service, owner: str, holding: Holding) -> None:
        self._files = service.store.files
        self._owner = owner
        self._holding = holding
        self._records: dict[str, FileRecord] = {}
        self._urls: dict[str, str] = {}
        self.contents: Contents = []

    async def get(self, file_id: str) -> FileRecord:
        """The record of a file."""
        if file_id not in self._records:
            self._records[file_id] = await self._files.get(file_id, self._owner)
        return self._records[file_id]

    async def inline(self, file_id: str) -> tuple[FileRecord, str]:
        """A file with all of its content as a URL, which counts each time that it is named."""
        record = await self.get(file_id)
        if record.size > _INLINE_BYTES:
            raise BadParameter("input", f"the file {record.id} has {record.size} bytes; {_INLINE_BYTES} is the most")
        self._holding.take(record.size * 4 // 3)
        if file_id not in self._urls:
            stored = await self._files.open(record)
            content = b"".join([chunk async for chunk in stored.read()])
            self._urls[file_id] = f"data:{record.mime};base64,{base64.b64encode(content).decode()}"
        return record, self._urls[file_id]


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
    return {"type": "input_text", "text": await attach(container, part, "input", stored.get, stored.contents)}


async def _as_image(stored: StoredFiles, part: Json) -> Json:
    _, url = await stored.inline(part["file_id"])
    return {**part, "image_url": url}


async def _as_file(stored: StoredFiles, part: Json) -> Json:
    """A stored file for a model without a sandbox; its server knows nothing of files here."""
    record, url = await stored.inline(part["file_id"])
    return {"type": "input_file", "filename": record.filename, "file_data": url}
