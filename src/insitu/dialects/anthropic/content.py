"""What the user says: blocks as parts of chat completions, and files where code runs."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Awaitable, Callable, Sequence

from ...turn.container import Container
from ...turn.messages import file_part, image_part, text_part
from ...web.attachments import base_name, read_base64
from ...web.media_types import plain_mime
from ...web.parameters import BadParameter, Unsupported
from ...web.shapes import Json
from ...web.stored_files import StoredFiles
from .blocks import Block, check_members, read_inner
from .found import MADE

ReadMade = Callable[[str, str], Awaitable[tuple[str, bytes]]]
_PDF = "application/pdf"


class Content:
    """Makes blocks into what the model can read; with a container, documents are put there.

    Args:
        made: reads a file that code has made, by its id and by where it is named.
        container: where code runs, if it does.
    """

    def __init__(self, stored: StoredFiles, made: ReadMade, container: Container | None) -> None:
        self._stored = stored
        self._made = made
        self._container = container
        self._unnamed = 0

    async def parts(self, blocks: Sequence[Block]) -> list[Json]:
        """The parts of a message.

        Raises:
            BadParameter: if a block is malformed, or not to be had here.
            NotFound: if there is no such file.
        """
        return [part for block in blocks for part in await self._part(block)]

    async def result(self, block: Block) -> tuple[str, list[Json]]:
        """What a client's tool has given: its text, and the images in it."""
        parts = await self.parts(read_inner(block.body.get("content"), f"{block.where}.content"))
        text = "\n".join(_as_text(part) for part in parts if part["type"] != "image_url")
        return text, [part for part in parts if part["type"] == "image_url"]

    async def _part(self, block: Block) -> list[Json]:
        match block.type:
            case "text":
                return [text_part(block.body["text"])] if block.body["text"] else []
            case "image":
                return [await self._image(block)]
            case "document":
                return await self._document(block)
            case "search_result":
                return await self._search_result(block)
            case "container_upload":
                return [text_part(await self._put({"file_id": block.body["file_id"]}, block.where))]
        return []

    async def _image(self, block: Block) -> Json:
        source, where = block.body["source"], f"{block.where}.source"
        match source.get("type"):
            case "base64":
                check_members(source, {"media_type": str, "data": str}, where)
                url = f"data:{source['media_type']};base64,{source['data']}"
            case "url":
                check_members(source, {"url": str}, where)
                url = source["url"]
            case "file":
                check_members(source, {"file_id": str}, where)
                _, url = await self._stored.inline(source["file_id"], where)
            case _:
                raise BadParameter(f"{where}.type", f"{where}.type must be one of: base64, url, file")
        return image_part(url)

    async def _document(self, block: Block) -> list[Json]:
        heads = [block.body.get(name) for name in ("title", "context")]
        return [*(text_part(head) for head in heads if isinstance(head, str)), *await self._within(block)]

    async def _within(self, block: Block) -> list[Json]:
        """What is in a document."""
        source, where = block.body["source"], f"{block.where}.source"
        match source.get("type"):
            case "text":
                check_members(source, {"data": str}, where)
                return [text_part(source["data"])]
            case "content":
                return await self.parts(read_inner(source.get("content"), f"{where}.content", in_document=True))
            case "base64":
                check_members(source, {"data": str}, where)
                mime = plain_mime(source.get("media_type")) or _PDF
                name = str(block.body.get("title") or self._name(mime))
                url = f"data:{mime};base64,{source['data']}"
                return [await self._file({"filename": name, "file_data": url}, block.where)]
            case "file":
                check_members(source, {"file_id": str}, where)
                return [await self._file({"file_id": source["file_id"]}, block.where)]
            case "url":
                raise Unsupported(where, f"{where}: nothing is fetched from elsewhere; send the document itself")
        raise BadParameter(f"{where}.type", f"{where}.type must be one of: text, content, base64, file")

    def _name(self, mime: str) -> str:
        self._unnamed += 1
        return f"document-{self._unnamed}{mimetypes.guess_extension(mime) or ''}"

    async def _search_result(self, block: Block) -> list[Json]:
        inner = await self.parts(read_inner(block.body["content"], f"{block.where}.content", in_document=True))
        return [text_part(f"{block.body['title']} ({block.body['source']})"), *inner]

    async def _file(self, file: Json, where: str) -> Json:
        if self._container is not None:
            return text_part(await self._put(file, where))
        if "file_id" in file:
            record, url = await self._stored.inline(file["file_id"], f"{where}.source")
            return file_part(record.filename, url)
        return {"type": "file", "file": file}

    async def _put(self, file: Json, where: str) -> str:
        if self._container is None:
            raise BadParameter(where, f"{where}: there is no code_execution tool that could read the file")
        if (file_id := str(file.get("file_id") or "")).startswith(MADE):
            name, content = await self._made(file_id, where)
            return self._stored.put_content(name, content, where)
        if file_id:
            return await self._stored.put(self._container, file_id)
        name, encoded, at = base_name(file["filename"], where), file["file_data"].rpartition(",")[2], f"{where}.source"
        return self._stored.put_content(name, await read_base64(encoded, at, f"{at}.data"), where)


def _as_text(part: Json) -> str:
    return str(part["text"]) if part["type"] == "text" else json.dumps(part)
