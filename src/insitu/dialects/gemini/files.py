"""Files: uploaded in pieces, listed, fetched and deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from ...errors import TooLarge
from ...store import FileDetails, FileRecord, Page
from ...web.attachments import base_name
from ...web.downloads import download
from ...web.media_types import mime_of_name, plain_mime
from ...web.openapi import answers_elsewhere, takes_bytes
from ...web.parameters import BadParameter, Unsupported
from ...web.service import Service, owner_of
from ...web.shapes import Json
from ...web.stored_files import gone_at
from ...web.wire import DESCRIPTION_BYTES, body_chunks, json_answer
from .bodies import read_object
from .casing import member
from .errors import gemini_error
from .uploading import Upload, Uploading

_UPLOADS = "/upload/v1beta/files"
_COMMAND, _STATUS, _OFFSET = "x-goog-upload-command", "x-goog-upload-status", "x-goog-upload-offset"
_LENGTH, _TYPE = "x-goog-upload-header-content-length", "x-goog-upload-header-content-type"
_NUMBER = re.compile(r"[0-9]{1,15}")
_GRANULARITY = 256 * 1024


def is_linked(scope: Mapping[str, Any]) -> bool:
    """Whether a request goes on with an upload: Google's clients send no key with it, but its id."""
    return scope["path"] == _UPLOADS and "upload_id" in QueryParams(scope["query_string"])


def routes(service: Service) -> APIRouter:
    """The routes of files."""
    router = APIRouter(tags=["gemini"])
    uploading = Uploading(service)

    @router.post(_UPLOADS, openapi_extra=takes_bytes(), **answers_elsewhere())
    async def upload_gemini_file(request: Request) -> Response:
        """Begin to upload a file, or send some of it."""
        if is_linked(request.scope):
            return await _go_on(service, uploading.get(request.query_params["upload_id"]), request)
        return await _start(service, uploading, request)

    @router.get("/v1beta/files", **answers_elsewhere())
    async def list_gemini_files(
        request: Request,
        page_size: Annotated[int, Query(alias="pageSize", ge=1, le=100)] = 10,
        page_token: Annotated[str | None, Query(alias="pageToken", max_length=256)] = None,
    ) -> Response:
        """The files that were uploaded, the latest first."""
        found = await service.store.files.list(owner_of(request), Page(page_size, page_token or None))
        shown = [_shown(service, request, file) for file in found.data]
        return json_answer({"files": shown, **({"nextPageToken": found.data[-1].id} if found.has_more else {})})

    @router.get("/v1beta/files/{file_id}:download", **answers_elsewhere())
    async def download_gemini_file(request: Request, file_id: str) -> Response:
        """A file's bytes, whole or a range of them."""
        file = await service.store.files.get(file_id, owner_of(request))
        stored = await service.store.files.open(file)
        return await download(request, file.filename, stored.size, stored.read)

    @router.get("/v1beta/files/{file_id}", **answers_elsewhere())
    async def get_gemini_file(request: Request, file_id: str) -> Response:
        """One file, without its content."""
        return json_answer(_shown(service, request, await service.store.files.get(file_id, owner_of(request))))

    @router.delete("/v1beta/files/{file_id}", **answers_elsewhere())
    async def delete_gemini_file(request: Request, file_id: str) -> Response:
        """Delete a file; what it was put into keeps its copy."""
        await service.store.files.delete(file_id, owner_of(request))
        return json_answer({})

    return router


async def _start(service: Service, uploading: Uploading, request: Request) -> Response:
    if request.headers.get(_COMMAND) != "start":
        raise BadParameter(_COMMAND, "files are uploaded by the resumable protocol: begin with the command start")
    size = _number(request, _LENGTH) if _LENGTH in request.headers else None
    if size is not None and size > service.settings.upload_bytes:
        raise TooLarge(f"the file has {size} bytes; {service.settings.upload_bytes} is the most")
    described = member(await read_object(service, request, DESCRIPTION_BYTES), "file") or {}
    if not isinstance(described, dict):
        raise BadParameter("file", "file must be an object")
    upload = uploading.start(owner_of(request), _details(request, described), size)
    url = f"{request.base_url}upload/v1beta/files?upload_id={upload.id}&upload_protocol=resumable"
    granularity = {"x-goog-upload-chunk-granularity": str(_GRANULARITY)}
    return json_answer({}, headers={"x-goog-upload-url": url, _STATUS: "active", **granularity})


async def _go_on(service: Service, upload: Upload, request: Request) -> Response:
    def refuse(exc: Exception, request_id: str) -> Response:
        answer = gemini_error(exc, request_id)
        # Without it Google's client takes the answer for one that was lost, and sends again.
        answer.headers[_STATUS] = "cancelled" if upload.ended else "active"
        return answer

    request.scope["insitu.error_answer"] = refuse
    commands = {command.strip() for command in request.headers.get(_COMMAND, "").split(",")}
    if not commands or commands - {"upload", "finalize", "query", "cancel"}:
        raise BadParameter(_COMMAND, f"{_COMMAND} must be upload, finalize, query or cancel")
    if "cancel" in commands:
        upload.cancel()
        return json_answer({}, headers={_STATUS: "cancelled"})
    if "upload" in commands:
        await upload.take(body_chunks(request), _number(request, _OFFSET))
    if "finalize" in commands:
        file = await upload.finish()
        return json_answer({"file": _shown(service, request, file)}, headers={_STATUS: "final"})
    return json_answer({}, headers={_STATUS: "active", "x-goog-upload-size-received": str(upload.received)})


def _details(request: Request, described: Json) -> FileDetails:
    if described.get("name"):
        raise Unsupported("file.name", "files are named by the server: leave the name out")
    given = member(described, "display_name") or request.headers.get("x-goog-upload-file-name") or "file"
    name = base_name(str(given), "file.displayName")
    mime = plain_mime(member(described, "mime_type") or request.headers.get(_TYPE) or mime_of_name(name))
    if mime is None:
        raise BadParameter("file.mimeType", "file.mimeType must be a type such as text/csv")
    return FileDetails(name, "user_data", mime, None)


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "0")
    if not _NUMBER.fullmatch(text):
        raise BadParameter(header, f"{header} must be a number of bytes")
    return int(text)


def _shown(service: Service, request: Request, file: FileRecord) -> Json:
    uri = f"{request.base_url}v1beta/files/{file.id}"
    return {
        "name": f"files/{file.id}",
        "displayName": file.filename,
        "mimeType": file.mime,
        "sizeBytes": str(file.size),
        "createTime": _time(file.created),
        "updateTime": _time(file.created),
        "expirationTime": _time(gone_at(file, service.settings)),
        "uri": uri,
        "downloadUri": f"{uri}:download?alt=media",
        "state": "ACTIVE",
        "source": "UPLOADED",
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
