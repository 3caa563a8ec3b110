"""Files, as Anthropic's clients upload and find them: the same as OpenAI's, and those that code has made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from ...store import FileDetails, FileRecord, Page, Store, new_id
from ...web.downloads import download
from ...web.parameters import BadParameter
from ...web.receiving import mime_of, receive_file, seconds_of
from ...web.service import Service, owner_of
from ...web.uploads import FileForm
from ...web.wire import json_answer
from .found import find, uploaded
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

    @router.post("")
    async def upload_anthropic_file(request: Request) -> Response:
        """Upload a file."""
        cap = settings.upload_bytes
        file = await receive_file(request, service.store, new_id("file_"), (_SECONDS,), cap, _details)
        return json_answer(uploaded(file, settings))

    @router.get("")
    async def list_anthropic_files(request: Request, query: Annotated[FilesQuery, Query()]) -> Response:
        """The files that were uploaded, the latest first."""
        files, next_page = await _listed(service.store, owner_of(request), query)
        return json_answer({"data": [uploaded(file, settings) for file in files], "next_page": next_page})

    @router.get("/{file_id}")
    async def retrieve_anthropic_file(request: Request, file_id: str) -> Response:
        """One file, without its content."""
        file = await find(service, owner_of(request), file_id)
        return json_answer(await file.get())

    @router.delete("/{file_id}")
    async def delete_anthropic_file(request: Request, file_id: str) -> Response:
        """Delete a file; containers that it was put into keep their copies."""
        file = await find(service, owner_of(request), file_id)
        await file.delete()
        return json_answer({"id": file_id, "type": "file_deleted"})

    @router.get("/{file_id}/content")
    async def download_anthropic_file(request: Request, file_id: str) -> Response:
        """A file's bytes, whole or a range of them."""
        file = await find(service, owner_of(request), file_id)
        content = await file.open()
        return await download(request, content.path, content.size, content.read)

    return router


async def _listed(store: Store, owner: str, query: FilesQuery) -> tuple[Sequence[FileRecord], str | None]:
    """The files, and the page after them."""
    if query.ids is None:
        found = await store.files.list(owner, Page(query.limit, query.after))
        return found.data, f"{_PAGE}{found.data[-1].id}" if found.has_more else None
    if query.model_fields_set == {"ids"}:
        return await store.files.some(query.ids, owner), None
    raise BadParameter("ids[]", "ids cannot go with a page or a limit: all of them are answered at once")


def _details(form: FileForm, filename: str) -> FileDetails:
    seconds = form.fields.get(_SECONDS)
    expires = None if seconds is None else time.time() + seconds_of(seconds, _SECONDS, _LEAST_S, _MOST_S)
    return FileDetails(filename, "user_data", mime_of(form), expires)
