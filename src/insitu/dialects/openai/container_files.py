"""The files of containers: put there by their users, or made by code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ...guest.lockdown import WORKSPACE
from ...store import ContainerFile
from ...turn.container import Container
from ...turn.container_files import ContainerFiles
from ...web.downloads import download
from ...web.fields import Strict
from ...web.openapi import takes_form
from ...web.parameters import BadParameter
from ...web.service import Service, owner_of
from ...web.shapes import Json
from ...web.uploads import FileForm, is_form
from ...web.wire import DESCRIPTION_BYTES, json_answer, read_json
from .description import answers, answers_bytes
from .paging import Deleted, ListObject, PageQuery, listed

_FORM = {"file": {"type": "string", "format": "binary"}, "file_id": {"type": "string"}}


class AddFile(Strict):
    """A file to copy into a container."""

    file_id: str | None = None


class ContainerFileObject(BaseModel):
    """A file of a container."""

    id: str
    object: Literal["container.file"]
    bytes: int
    container_id: str
    created_at: int
    path: str
    source: Literal["user", "assistant"]


def routes(service: Service) -> APIRouter:
    """The routes of containers' files."""
    router = APIRouter(prefix="/v1/containers/{container_id}/files", tags=["openai"])

    async def find(request: Request, container_id: str) -> Container:
        return await service.turns.containers.get(container_id, owner_of(request))

    async def files_of(request: Request, container_id: str) -> ContainerFiles:
        return ContainerFiles(service.store, await find(request, container_id))

    @router.post("", openapi_extra=takes_form(_FORM, json=AddFile), **answers(ContainerFileObject))
    async def add_container_file(request: Request, container_id: str) -> Response:
        """Put a file into a container: one that comes with the request, or one that was uploaded before."""
        return json_answer(_shown(await _add(service, request, await find(request, container_id))))

    @router.get("", **answers(ListObject[ContainerFileObject]))
    async def list_container_files(
        request: Request, container_id: str, query: Annotated[PageQuery, Query()]
    ) -> Response:
        """A container's files; of an expired one, those that were known of."""
        found = await (await files_of(request, container_id)).list(query.page)
        return json_answer(listed([_shown(file) for file in found.data], has_more=found.has_more))

    @router.get("/{file_id}", **answers(ContainerFileObject))
    async def retrieve_container_file(request: Request, container_id: str, file_id: str) -> Response:
        """One file of a container, without its content."""
        return json_answer(_shown(await (await files_of(request, container_id)).get(file_id)))

    @router.delete("/{file_id}", **answers(Deleted))
    async def delete_container_file(request: Request, container_id: str, file_id: str) -> Response:
        """Delete a file of a container, and what is kept of it."""
        await (await files_of(request, container_id)).delete(file_id)
        return json_answer({"id": file_id, "object": "container.file.deleted", "deleted": True})

    @router.get("/{file_id}/content", **answers_bytes())
    async def download_container_file(request: Request, container_id: str, file_id: str) -> Response:
        """The bytes of a container's file, whole or a range of them; they may outlive the container."""
        content = await (await files_of(request, container_id)).open(file_id)
        return await download(request, content.path, content.size, content.read)

    return router


async def _add(service: Service, request: Request, container: Container) -> ContainerFile:
    if not is_form(request):
        return await _copy(service, container, (await read_json(request, AddFile, DESCRIPTION_BYTES)).file_id)
    cap = service.settings.upload_bytes
    async with FileForm(request, ("file_id",), cap) as form:
        path = await form.find_file()
        if path is None:
            return await _copy(service, container, form.fields.get("file_id"))
        async with aclosing(form.chunks()) as chunks:
            return await container.write(path, _alone(form, chunks), cap)


async def _copy(service: Service, container: Container, file_id: str | None) -> ContainerFile:
    if file_id is None:
        raise BadParameter("file", "the request has neither a file nor a file_id", code="missing_required_parameter")
    return await container.add(await service.store.files.get(file_id, container.record.owner))


async def _alone(form: FileForm, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk
    if form.fields:
        raise BadParameter("file_id", "the request has both a file and a file_id; send one of them")


def _shown(file: ContainerFile) -> Json:
    return {
        "id": file.id,
        "object": "container.file",
        "bytes": file.size,
        "container_id": file.container_id,
        "created_at": int(file.created),
        "path": f"{WORKSPACE}/{file.path}",
        "source": file.source,
    }
