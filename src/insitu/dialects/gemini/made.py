"""The files that code has made, as parts of an answer: Google's clients have no other way to them."""

from __future__ import annotations

from ...errors import InsituError
from ...heavy import encoded, heavy
from ...turn.container_files import ContainerFiles
from ...turn.events import MadeFile
from ...turn.fetchable import fetchable
from ...types import MIB
from ...web.media_types import mime_of_name
from ...web.service import Service
from ...web.shapes import Json
from .answer import ContentAnswer

_FILE_BYTES, _ALL_BYTES = 4 * MIB, 16 * MIB


async def made_parts(service: Service, owner: str, answer: ContentAnswer) -> list[Json]:
    """The files that are there and were not shown yet; large ones are left out."""
    parts: list[Json] = []
    left = _ALL_BYTES
    for file in await fetchable(service.turns.containers, owner, answer.files.values()):
        content = await _content(service, owner, file, min(left, _FILE_BYTES))
        if content is None or (data := await heavy(len(content), encoded, content)) in answer.shown:
            continue
        left -= len(content)
        shown = {"mimeType": mime_of_name(file.name), "data": data, "displayName": file.name}
        # Before its fourth major the AI SDK's provider drops a signature that comes, with an empty text, after a file.
        parts.append(answer.signed({"inlineData": shown}))
    return parts


async def _content(service: Service, owner: str, file: MadeFile, most: int) -> bytes | None:
    if file.size > most:
        return None
    try:
        container = await service.turns.containers.get(file.container_id, owner)
        content = await ContainerFiles(service.store, container).open(file.id)
        if content.size > most:
            return None
        return await content.whole()
    except InsituError:
        return None  # it went with its sandbox meanwhile: the answer is there all the same
