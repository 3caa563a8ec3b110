"""What the user says: parts as chat completions have them, and files where code runs."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Sequence
from typing import Any

from ...store import FileRecord
from ...turn.container import Container
from ...turn.messages import as_content, file_part, image_part, text_part
from ...web.attachments import base_name, read_base64
from ...web.parameters import BadParameter
from ...web.shapes import Json
from ...web.stored_files import StoredFiles
from .casing import has, member

_FILES = "/files/"
_GOOGLES = re.compile(r"https?://([a-z0-9-]+\.)*googleapis\.com/", re.IGNORECASE)


class Content:
    """Makes parts into what the model can read; with a container, files are put there as well.

    Args:
        container: where code runs, if it does.
    """

    def __init__(self, stored: StoredFiles, container: Container | None) -> None:
        self._stored = stored
        self._container = container
        self._number = 0

    async def content(self, parts: Sequence[Json], where: str) -> Any:
        """The content of a message; None if there is nothing in it.

        Raises:
            BadParameter: if a part is malformed, or not known here.
            NotFound: if there is no such file.
        """
        made: list[Json] = []
        for index, part in enumerate(parts):
            if not has(part, "function_response"):
                made += await self._part(part, f"{where}.parts[{index}]")
        return as_content(made) or None

    async def _part(self, part: Json, where: str) -> list[Json]:
        if isinstance(text := part.get("text"), str):
            return [text_part(text)] if text else []
        if has(part, "inline_data"):
            return await self._inline(member(part, "inline_data"), f"{where}.inlineData")
        if has(part, "file_data"):
            return await self._file(member(part, "file_data"), f"{where}.fileData")
        raise BadParameter(where, f"{where} has neither text, inlineData, fileData nor functionResponse")

    async def _inline(self, data: Any, where: str) -> list[Json]:
        mime, encoded = (member(data, "mime_type"), data.get("data")) if isinstance(data, dict) else (None, None)
        if not isinstance(mime, str) or not isinstance(encoded, str):
            raise BadParameter(where, f"{where} must have a mimeType and data")
        encoded = encoded.replace("-", "+").replace("_", "/")
        content = await read_base64(encoded, where, where)
        name = base_name(str(member(data, "display_name") or self._name(mime)), where)
        url = f"data:{mime};base64,{encoded}"
        if self._container is None:
            return [_seen(mime, url, name)]
        told = self._stored.put_content(name, content, where)
        return [*([image_part(url)] if _is_image(mime) else []), text_part(told)]

    async def _file(self, data: Any, where: str) -> list[Json]:
        uri = member(data, "file_uri") if isinstance(data, dict) else None
        if not isinstance(uri, str) or _FILES not in f"/{uri}":
            raise BadParameter(where, f"{where}: the fileUri must be that of a file that was uploaded here")
        if _GOOGLES.match(uri):
            raise BadParameter(where, f"{where}: {uri[:200]} is an address of Google's: upload the file here")
        record = await self._stored.get(f"/{uri}".rpartition(_FILES)[2])
        if self._container is None:
            return [await self._whole(record, where)]
        seen = [await self._whole(record, where)] if _is_image(record.mime) else []
        return [*seen, text_part(await self._stored.put(self._container, record.id))]

    async def _whole(self, record: FileRecord, where: str) -> Json:
        _, url = await self._stored.inline(record.id, where)
        return _seen(record.mime, url, record.filename)

    def _name(self, mime: str) -> str:
        self._number += 1
        return f"file-{self._number}{mimetypes.guess_extension(mime) or ''}"


def _is_image(mime: str) -> bool:
    return mime.startswith("image/")


def _seen(mime: str, url: str, name: str) -> Json:
    return image_part(url) if _is_image(mime) else file_part(name, url)
