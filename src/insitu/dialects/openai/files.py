"""Files: uploaded once, and put into containers by their ids."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from ...settings import Settings
from ...store import FileDetails, FileRecord, new_id
from ...web.downloads import download
from ...web.openapi import takes_form
from ...web.parameters import BadParameter
from ...web.receiving import mime_of, receive_file, seconds_of
from ...web.service import Service, owner_of
from ...web.shapes import Json
from ...web.stored_files import gone_at
from ...web.uploads import FileForm
from ...web.wire import json_answer
from .description import answers, answers_bytes
from .paging import Deleted, ListObject, PageQuery, listed

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
_ANCHOR, _SECONDS = "expires_after[anchor]", "expires_after[seconds]"
_LEAST_S, _MOST_S = 3600, 30 * 24 * 3600
_FORM = {
    "file": {"type": "string", "format": "binary"},
    "purpose": {"type": "string", "enum": list(PURPOSES)},
    _ANCHOR: {"type": "string", "enum": ["created_at"]},
    _SECONDS: {"type": "integer", "minimum": _LEAST_S, "maximum": _MOST_S},
}


class FilesQuery(PageQuery):
    """Which of the files are asked for."""

    limit: int = Field(10_000, ge=1, le=10_000, description="how many files at the most")
    purpose: str | None = Field(None, max_length=64, description="only those of this purpose")


class FileObject(BaseModel):
    """A file that was uploaded."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int = Field(description="when it is deleted, in seconds since the epoch")
    filename: str
    purpose: str
    status: Literal["processed"]


def routes(service: Service) -> APIRouter:
    """The routes of files."""
    router = APIRouter(prefix="/v1/files", tags=["openai"])
    settings = service.settings

    @router.post("", openapi_extra=takes_form(_FORM, ("file", "purpose")), **answers(FileObject))
    async def upload_file(request: Request) -> Response:
        """Upload a file."""
        fields = ("purpose", _ANCHOR, _SECONDS)
        file = await receive_file(request, service.store, new_id("file-"), fields, settings.upload_bytes, _details)
        return json_answer(_shown(file, settings))

    @router.get("", **answers(ListObject[FileObject]))
    async def list_uploaded_files(request: Request, query: Annotated[FilesQuery, Query()]) -> Response:
        """The files that were uploaded."""
        found = await service.store.files.list(owner_of(request), query.page, query.purpose)
        return json_answer(listed([_shown(file, settings) for file in found.data], has_more=found.has_more))

    @router.get("/{file_id}", **answers(FileObject))
    async def retrieve_uploaded_file(request: Request, file_id: str) -> Response:
        """One file, without its content."""
        return json_answer(_shown(await service.store.files.get(file_id, owner_of(request)), settings))

    @router.delete("/{file_id}", **answers(Deleted))
    async def delete_uploaded_file(request: Request, file_id: str) -> Response:
        """Delete a file; containers that it was put into keep their copies."""
        await service.store.files.delete(file_id, owner_of(request))
        return json_answer({"id": file_id, "object": "file", "deleted": True})

    @router.get("/{file_id}/content", **answers_bytes())
    async def download_uploaded_file(request: Request, file_id: str) -> Response:
        """A file's bytes, whole or a range of them."""
        file = await service.store.files.get(file_id, owner_of(request))
        stored = await service.store.files.open(file)
        return await download(request, file.filename, stored.size, stored.read)

    return router


def _details(form: FileForm, filename: str) -> FileDetails:
    return FileDetails(filename, _purpose(form), mime_of(form), _expires(form))


def _purpose(form: FileForm) -> str:
    purpose = form.fields.get("purpose")
    if purpose is None:
        raise BadParameter("purpose", "the form has no purpose", code="missing_required_parameter")
    if purpose not in PURPOSES:
        raise BadParameter("purpose", f"purpose is {purpose[:64]!r}; it must be one of: {', '.join(PURPOSES)}")
    return purpose


def _expires(form: FileForm) -> float | None:
    anchor, seconds = form.fields.get(_ANCHOR), form.fields.get(_SECONDS)
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise BadParameter(_ANCHOR, f"{_ANCHOR} must be 'created_at'")
    return time.time() + seconds_of(seconds or "", _SECONDS, _LEAST_S, _MOST_S)


def _shown(file: FileRecord, settings: Settings) -> Json:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size,
        "created_at": int(file.created),
        "expires_at": int(gone_at(file, settings)),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }
