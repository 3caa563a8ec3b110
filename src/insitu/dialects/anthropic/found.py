"""A file by its id: one that was uploaded, or one that code has made."""

from __future__ import annotations

from typing import Protocol

from ...settings import Settings
from ...store import ContainerFile, FileRecord
from ...turn.container import Container
from ...turn.container_files import ContainerFiles, Content
from ...types import MIB
from ...web.holding import Holding
from ...web.media_types import mime_of_name
from ...web.parameters import BadParameter
from ...web.service import Service
from ...web.shapes import Json, moment
from ...web.stored_files import gone_at

MADE = "cfile_"
"""What the ids of files begin with that code has made."""

_MOST_BYTES = 20 * MIB


class Found(Protocol):
    """A file that a client names; each method raises NotFound if it is gone, was never there, or is another's."""

    async def get(self) -> Json:
        """What the client is told of it."""

    async def open(self) -> Content:
        """Its bytes."""

    async def delete(self) -> None:
        """Delete it; containers that it was put into keep their copies."""


async def find(service: Service, owner: str, file_id: str) -> Found:
    """The file of an id.

    Raises:
        NotFound: if code has made it, and it is gone or another's.
    """
    if file_id.startswith(MADE):
        return await _find_made(service, owner, file_id)
    return _Uploaded(service, owner, file_id)


async def read_made(service: Service, owner: str, holding: Holding, file_id: str, where: str) -> tuple[str, bytes]:
    """The name and the bytes of a file that code has made.

    Args:
        holding: counts them.
        where: the file is named in the request.

    Raises:
        BadParameter: if it is too large.
        NotFound: if it is gone, was never there, or is someone else's.
    """
    content = await (await _find_made(service, owner, file_id)).open()
    if content.size > _MOST_BYTES:
        raise BadParameter(where, f"{where}: {file_id} has {content.size} bytes; {_MOST_BYTES} is the most")
    holding.take(content.size)
    return content.path.rpartition("/")[2], await content.whole()


def uploaded(file: FileRecord, settings: Settings) -> Json:
    """What a client is told of a file that was uploaded."""
    return _shown(file, file.filename, file.mime, gone_at(file, settings))


async def _find_made(service: Service, owner: str, file_id: str) -> _Made:
    file = await service.store.containers.find_file(file_id, owner)
    return _Made(service, await service.turns.containers.get(file.container_id, owner), file_id)


class _Uploaded:
    def __init__(self, service: Service, owner: str, file_id: str) -> None:
        self._files = service.store.files
        self._settings = service.settings
        self._owner = owner
        self._id = file_id

    async def get(self) -> Json:
        return uploaded(await self._files.get(self._id, self._owner), self._settings)

    async def open(self) -> Content:
        file = await self._files.get(self._id, self._owner)
        stored = await self._files.open(file)
        return Content(file.filename, stored.size, stored.read)

    async def delete(self) -> None:
        await self._files.delete(self._id, self._owner)


class _Made:
    def __init__(self, service: Service, container: Container, file_id: str) -> None:
        self._files = ContainerFiles(service.store, container)
        self._container = container
        self._retention_s = service.settings.retention_s
        self._id = file_id

    async def get(self) -> Json:
        file = await self._files.get(self._id)
        return _shown(file, file.name, mime_of_name(file.name), self._container.last_active + self._retention_s)

    async def open(self) -> Content:
        return await self._files.open(self._id)

    async def delete(self) -> None:
        await self._files.delete(self._id)


def _shown(file: FileRecord | ContainerFile, filename: str, mime: str, gone: float) -> Json:
    return {
        "id": file.id,
        "type": "file",
        "filename": filename,
        "mime_type": mime,
        "size_bytes": file.size,
        "created_at": moment(file.created),
        "downloadable": True,
        "expires_at": moment(gone),
    }
