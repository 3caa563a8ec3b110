"""Files, as Anthropic's clients upload and find them: the same as OpenAI's, and those that code has made."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from ...settings import Settings
from ...store import ContainerFile, FileDetails, FileRecord, Page, new_id
from ...turn.container import Container
from ...turn.container_files import ContainerFiles
from ...web.downloads import download
from ...web.media_types import mime_of_name
from ...web.parameters import BadParameter
from ...web.receiving import mime_of, receive_file, seconds_of
from ...web.service import Service, owner_of
from ...web.shapes import Json, moment
from ...web.stored_files import gone_at
from ...web.uploads import FileForm
from ...web.wire import json_answer
from .made import MADE
from .speaking import SharedRoute

_SECONDS = "expires_in_seconds"
_LEAST_S, _MOST_S = 3600, 90 * 24 * 3600
_PAGE = "page_"


class FilesQuery(BaseModel):
    """Which of the uploaded files are asked for: a part of all, or those of some ids."""

    limit: int = Field(20, ge=1, le=1000)
    page: str | None = Field(None, max_length=256, pattern=f"^{_PAGE}")
    ids: list[str] | None = Field(None, alias="ids[]", max_length=100)

    @property
    def after(self) -> str | None:
        """The id of the file that the part begins behind."""
        return self.page.removeprefix(_PAGE) if self.page else None


def routes(service: Service) -> APIRouter:
    """The routes of files."""
    router = APIRouter(route_class=SharedRoute, prefix="/v1/files", include_in_schema=False)
    settings = service.settings

    async def made(request: Request, file_id: str) -> tuple[Container, ContainerFiles]:
        owner = owner_of(request)
        file = await service.store.containers.find_file(file_id, owner)
        container = await service.turns.containers.get(file.container_id, owner)
        return container, ContainerFiles(service.store, container)

    @router.post("")
    async def upload_anthropic_file(request: Request) -> Response:
        """Upload a file."""
        cap = settings.upload_bytes
        file = await receive_file(request, service.store, new_id("file_"), (_SECONDS,), cap, _details)
        return json_answer(_uploaded(file, settings))

    @router.get("")
    async def list_anthropic_files(request: Request, query: Annotated[FilesQuery, Query()]) -> Response:
        """The files that were uploaded, the latest first."""
        owner = owner_of(request)
        if query.ids is None:
            found = await service.store.files.list(owner, Page(query.limit, query.after))
            files, more = found.data, found.has_more
        elif query.model_fields_set == {"ids"}:
            files, more = list(await service.store.files.some(query.ids, owner)), False
        else:
            raise BadParameter("ids[]", "ids cannot go with a page or a limit: all of them are answered at once")
        next_page = f"{_PAGE}{files[-1].id}" if more else None
        return json_answer({"data": [_uploaded(file, settings) for file in files], "next_page": next_page})

    @router.get("/{file_id}")
    async def retrieve_anthropic_file(request: Request, file_id: str) -> Response:
        """One file, without its content."""
        if file_id.startswith(MADE):
            container, files = await made(request, file_id)
            return json_answer(_made(await files.get(file_id), container.last_active + settings.retention_s))
        return json_answer(_uploaded(await service.store.files.get(file_id, owner_of(request)), settings))

    @router.delete("/{file_id}")
    async def delete_anthropic_file(request: Request, file_id: str) -> Response:
        """Delete a file; containers that it was put into keep their copies."""
        if file_id.startswith(MADE):
            _, files = await made(request, file_id)
            await files.delete(file_id)
        else:
            await service.store.files.delete(file_id, owner_of(request))
        return json_answer({"id": file_id, "type": "file_deleted"})

    @router.get("/{file_id}/content")
    async def download_anthropic_file(request: Request, file_id: str) -> Response:
        """A file's bytes, whole or a range of them."""
        if file_id.startswith(MADE):
            _, files = await made(request, file_id)
            content = await files.open(file_id)
            return await download(request, content.path, content.size, content.read)
        file = await service.store.files.get(file_id, owner_of(request))
        stored = await service.store.files.open(file)
        return await download(request, file.filename, stored.size, stored.read)

    return router


def _details(form: FileForm, filename: str) -> FileDetails:
    seconds = form.fields.get(_SECONDS)
    expires = None if seconds is None else time.time() + seconds_of(seconds, _SECONDS, _LEAST_S, _MOST_S)
    return FileDetails(filename, "user_data", mime_of(form), expires)


def _uploaded(file: FileRecord, settings: Settings) -> Json:
    return _shown(file, file.filename, file.mime, gone_at(file, settings))


def _made(file: ContainerFile, gone: float) -> Json:
    return _shown(file, file.name, mime_of_name(file.name), gone)


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
